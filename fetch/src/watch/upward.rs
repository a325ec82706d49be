//! What a node says, and what it is answered.

use std::sync::Arc;

use futures::StreamExt;
use nudge_proto::{
    CloseCode,
    watch::{Down, Hold, Up, UpStream, WATCH_BATCH_MAX, WatchError},
};

use super::{
    WatchHub,
    held::{HeldSession, NotHeld, StreamId},
    sight::blind,
    stream::DownQueue,
};
use crate::{
    bus::{BusEvent, Connection},
    limits::WATCH_SESSIONS_MAX,
    store::{Ack, DeviceState, Point, StoreError},
};

impl WatchHub {
    /// Reads one stream's upward half, until either half ends. A node that does not take its answers is
    /// not read any further.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: StreamId,
        down: Arc<DownQueue>,
        mut up: UpStream,
    ) {
        while down.has_room().await
            && let Some(batch) = down.unless_closed(up.next()).await.flatten()
        {
            if let Err(broken) = self.handle_up(stream, &down, batch).await {
                tracing::warn!(reason = %broken, "a signal node does not keep to the watch");
                down.fail(broken);
                break;
            }
        }
        self.forget(stream, &down);
    }

    async fn handle_up(
        &self,
        stream: StreamId,
        down: &Arc<DownQueue>,
        batch: Vec<Up>,
    ) -> Result<(), WatchError> {
        let mut holds = Vec::new();
        let mut acks = Vec::new();
        for up in batch {
            match up {
                Up::Hold(hold) => {
                    acks.extend(hold.acked.map(|cursor| Ack {
                        user_id: hold.user_id,
                        device_id: hold.device_id,
                        cursor,
                    }));
                    holds.extend(self.subscribe(stream, down, hold)?);
                }
                Up::Drop { session } => self.held().remove(stream, session),
                Up::Ack { user_id, device_id, cursor } => {
                    acks.push(Ack { user_id, device_id, cursor });
                }
            }
        }
        if !acks.is_empty() {
            self.store_acks(acks).await;
        }
        for holds in holds.chunks(WATCH_BATCH_MAX) {
            self.answer(stream, down, holds).await;
        }
        Ok(())
    }

    /// The first half of registering: from here on, what moves is told.
    fn subscribe(
        &self,
        stream: StreamId,
        down: &Arc<DownQueue>,
        hold: Hold,
    ) -> Result<Option<Hold>, WatchError> {
        let mut held = self.held();
        let inserted = if held.len() >= WATCH_SESSIONS_MAX {
            Err(NotHeld::Older(CloseCode::Overloaded))
        } else {
            held.insert(hold.user_id, HeldSession::new(stream, Arc::clone(down), &hold))
        };
        match inserted {
            Ok(()) => Ok(Some(hold)),
            Err(NotHeld::Older(code)) => {
                down.push(Down::Refused { session: hold.session, code });
                Ok(None)
            }
            Err(NotHeld::KeyInUse) => Err(WatchError::Malformed(format!(
                "the session key {} names another session of this stream already",
                hold.session
            ))),
        }
    }

    /// The second half: read the heads, then answer, and tell the other nodes of what is new.
    async fn answer(&self, stream: StreamId, down: &DownQueue, holds: &[Hold]) {
        let devices: Vec<_> = holds.iter().map(|hold| (hold.user_id, hold.device_id)).collect();
        let (states, point) =
            tokio::join!(self.look(self.store.device_states(&devices)), self.point_for(holds));
        let answer = states.and_then(|states| Ok((states, point?)));
        match &answer {
            Ok((states, _)) => self.learn_epochs(states),
            Err(error) if holds.iter().any(|hold| hold.known.is_some()) => {
                // Sessions that stand are not ended for it: their node presents them where they can be answered.
                tracing::warn!(%error, "sessions could not be taken over");
                return down.fail(blind());
            }
            Err(_) => {}
        }
        let mut connected = Vec::new();
        for (at, hold) in holds.iter().enumerate() {
            let refuse = match &answer {
                Err(error) => {
                    tracing::warn!(%error, "a hello could not be answered");
                    Some(CloseCode::Unavailable)
                }
                Ok((states, _)) if states[at].revoked => Some(CloseCode::Revoked),
                Ok((states, point)) => {
                    connected.extend(self.stand(stream, down, hold, &states[at], *point));
                    None
                }
            };
            if let Some(code) = refuse {
                self.held().remove(stream, hold.session);
                down.push(Down::Refused { session: hold.session, code });
            }
        }
        if !connected.is_empty() {
            self.bus.publish(BusEvent::Connected(connected));
        }
    }

    /// A point for those that have none.
    async fn point_for(&self, holds: &[Hold]) -> Result<Point, StoreError> {
        if holds.iter().all(|hold| hold.known.is_some()) {
            return Ok(Point::default());
        }
        self.look(self.store.next_point()).await
    }

    /// A session stands, unless it was displaced or revoked meanwhile: it was told so then. Returns what is
    /// news to other nodes: those that hold older connections of the device let them go.
    fn stand(
        &self,
        stream: StreamId,
        down: &DownQueue,
        hold: &Hold,
        state: &DeviceState,
        point: Point,
    ) -> Option<Connection> {
        let mut held = self.held();
        if !held.holds(stream, hold.session) {
            return None;
        }
        let generation = hold.known.map_or(point.generation, |known| known.generation);
        down.push(Down::Held {
            session: hold.session,
            generation,
            epoch: state.epoch,
            head: state.head,
        });
        if let Some(epoch) = held.newer_epoch(state.epoch) {
            // It was read before that one began, and the stream may have heard of it already.
            down.push(Down::EpochChanged { epoch });
        }
        // It may be news to the user's other sessions, and no sweep will find it then.
        held.tell_state(hold.user_id, state, Some((stream, hold.session)));
        // One that is held again is news to nobody: a storm of them costs the bus nothing.
        if hold.known.is_some() { None } else { held.settle(stream, hold.session, point) }
    }

    /// Losing an ack only delays retention and receipts: the device presents its cursor again.
    async fn store_acks(&self, acks: Vec<Ack>) {
        let now = self.clock.now();
        match self.store.ack(acks.clone(), now).await {
            Ok(verdicts) => {
                for (ack, verdict) in acks.into_iter().zip(verdicts) {
                    match verdict {
                        Ok(before) => self.milestones.acknowledged(&ack, before, now),
                        Err(error) => tracing::debug!(%error, "an ack was refused"),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "acks could not be stored"),
        }
    }
}
