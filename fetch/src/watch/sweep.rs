//! The sweep: what is true in the store is told, whatever the bus lost.

use std::{sync::Arc, time::Duration};

use nudge_proto::{DeviceId, UserId, watch::WATCH_BATCH_MAX};
use tokio::time::Instant;

use super::WatchHub;
use crate::store::DeviceState;

impl WatchHub {
    /// From being looked up early in one sweep to being looked up late in the next, a device waits for
    /// two of them: these, and what the store takes, fit into one heartbeat.
    pub(super) async fn sweep_forever(self: Arc<Self>) {
        let mut next_at_once = Instant::now();
        loop {
            tokio::select! {
                () = self.sweep(self.heartbeat * 2 / 5) => continue,
                () = self.sweep_now.notified() => {}
            }
            // What the bus lost is looked up at once, not spread; a bus that goes on losing is no reason to
            // do nothing else.
            if next_at_once > Instant::now() {
                tokio::time::sleep_until(next_at_once).await;
            }
            next_at_once = Instant::now() + AT_ONCE_EVERY;
            self.sweep(Duration::ZERO).await;
        }
    }

    /// Looks every held device up, in batches spread over `time`.
    async fn sweep(&self, time: Duration) {
        let devices = self.held().devices();
        let batches = devices.chunks(WATCH_BATCH_MAX);
        let count = u32::try_from(batches.len()).unwrap_or(u32::MAX);
        let started = Instant::now();
        if devices.is_empty() {
            tokio::time::sleep(time).await;
        } else {
            self.learn_point().await;
        }
        for (batch, number) in batches.zip(1..) {
            // By the clock, so that what the store takes is no delay of the next.
            let due = started + time * number / count;
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if !self.look_up(batch).await {
                break;
            }
        }
        if let Err(error) = self.look(self.auth.reload_revoked()).await {
            tracing::warn!(%error, "the sweep could not read the revocations");
        }
    }

    /// Looks devices up, again until the store answers; false when this node has become blind before.
    async fn look_up(&self, devices: &[(UserId, DeviceId)]) -> bool {
        loop {
            match self.look(self.store.device_states(devices)).await {
                Ok(states) => {
                    self.tell_states(devices, &states);
                    return true;
                }
                Err(error) => tracing::warn!(%error, "the sweep could not read the store"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.sight.is_blind() {
                return false;
            }
        }
    }

    /// What was held before this is older than what comes after it, although the bus lost its arrival.
    async fn learn_point(&self) {
        match self.look(self.store.next_point()).await {
            Ok(point) => self.held().learn(point),
            Err(error) => tracing::warn!(%error, "the sweep got no point from the store"),
        }
    }

    /// Whoever reads devices reads the epoch with them.
    pub(super) fn learn_epochs(&self, states: &[DeviceState]) {
        if let Some(epoch) = states.iter().map(|state| state.epoch).max() {
            self.learn_epoch(epoch);
        }
    }

    fn tell_states(&self, devices: &[(UserId, DeviceId)], states: &[DeviceState]) {
        self.learn_epochs(states);
        for ((user_id, device_id), state) in devices.iter().zip(states) {
            if state.revoked {
                self.tell_revoked(*user_id, Some(*device_id));
                continue;
            }
            self.held().tell_state(*user_id, state, None);
        }
    }
}

/// The pause before the store is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The least time from one sweep at once to the next.
const AT_ONCE_EVERY: Duration = Duration::from_secs(1);
