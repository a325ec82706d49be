//! What a node says, and what it is answered.

use std::sync::{Arc, atomic::Ordering};

use futures::StreamExt;
use nudge_proto::{
    CloseCode,
    watch::{Down, Generation, Hold, Up, UpStream, WATCH_BATCH_MAX},
};

use super::{
    WatchHub,
    held::{HeldSession, StreamId},
    stream::DownQueue,
};
use crate::{
    bus::{BusEvent, Connection},
    limits::WATCH_SESSIONS_MAX,
    store::Ack,
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
            self.handle_up(stream, &down, batch).await;
        }
        self.forget(stream, &down);
    }

    async fn handle_up(&self, stream: StreamId, down: &Arc<DownQueue>, batch: Vec<Up>) {
        let mut holds: Vec<(Hold, Generation)> = Vec::new();
        let mut acks = Vec::new();
        for up in batch {
            match up {
                Up::Hold(hold) => {
                    acks.extend(hold.acked.map(|cursor| Ack {
                        user_id: hold.user_id,
                        device_id: hold.device_id,
                        cursor,
                    }));
                    holds.extend(self.subscribe(stream, down, hold));
                }
                Up::Drop { session } => self.held().remove(stream, session),
                Up::Ack { user_id, device_id, cursor } => {
                    acks.push(Ack { user_id, device_id, cursor });
                }
            }
        }
        if !holds.is_empty() {
            // Those that the devices have elsewhere make room.
            let connected = holds.iter().map(|(hold, generation)| connection(hold, *generation));
            self.bus.publish(BusEvent::Connected(connected.collect()));
        }
        if !acks.is_empty() {
            self.store_acks(acks).await;
        }
        for holds in holds.chunks(WATCH_BATCH_MAX) {
            self.answer(stream, down, holds).await;
        }
    }

    /// The first half of registering: from here on, what moves is told.
    fn subscribe(
        &self,
        stream: StreamId,
        down: &Arc<DownQueue>,
        hold: Hold,
    ) -> Option<(Hold, Generation)> {
        let generation = hold.known.map_or_else(
            || Generation(self.next_generation.fetch_add(1, Ordering::Relaxed)),
            |known| known.generation,
        );
        let mut held = self.held();
        let refused = if held.len() >= WATCH_SESSIONS_MAX {
            Err(CloseCode::Overloaded)
        } else {
            let session = HeldSession::new(stream, Arc::clone(down), &hold, generation);
            held.insert(hold.user_id, session)
        };
        match refused {
            Ok(()) => Some((hold, generation)),
            Err(code) => {
                down.push(Down::Refused { session: hold.session, code });
                None
            }
        }
    }

    /// The second half: read the heads, then answer.
    async fn answer(&self, stream: StreamId, down: &DownQueue, holds: &[(Hold, Generation)]) {
        let devices: Vec<_> =
            holds.iter().map(|(hold, _)| (hold.user_id, hold.device_id)).collect();
        let states = self.store.device_states(&devices).await;
        for (at, (hold, generation)) in holds.iter().enumerate() {
            let refuse = match &states {
                Err(error) => {
                    tracing::warn!(%error, "a hello could not be answered");
                    Some(CloseCode::Unavailable)
                }
                Ok(states) if states[at].revoked => Some(CloseCode::Revoked),
                Ok(states) => {
                    let mut held = self.held();
                    // One that was displaced or revoked meanwhile was told so, which stands.
                    if held.holds(stream, hold.session) {
                        down.push(Down::Held {
                            session: hold.session,
                            generation: *generation,
                            epoch: states[at].epoch,
                            head: states[at].head,
                        });
                        // It may be news to the user's other sessions, and no sweep will find it then.
                        let knows = Some((stream, hold.session));
                        held.tell_state(hold.user_id, &states[at], knows);
                    }
                    None
                }
            };
            if let Some(code) = refuse {
                self.held().remove(stream, hold.session);
                down.push(Down::Refused { session: hold.session, code });
            }
        }
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

const fn connection(hold: &Hold, generation: Generation) -> Connection {
    let Hold { user_id, device_id, instance, attempt, .. } = *hold;
    Connection { user_id, device_id, instance, attempt, generation }
}
