use nudge_proto::{ConversationId, DeviceId, Epoch, UserId, frame::Typing, pb::bus as pb};

use super::{BusEvent, Connection, lane::Lane, wire};
use crate::{
    limits::{BUS_TYPING_WAITING_MAX, BUS_WAITING_MAX},
    store::{Moved, Point},
};

/// What waits to be carried to other processes: merged, bounded, and the urgent first.
#[derive(Debug)]
pub(super) struct Outbox {
    revoked: Lane<(UserId, Option<DeviceId>), ()>,
    kicked: Lane<(UserId, Option<DeviceId>), ()>,
    connected: Lane<(UserId, DeviceId, Point), Connection>,
    moved: Lane<UserId, Moved>,
    /// By place, typist and the part of the recipients.
    typing: Lane<(ConversationId, UserId, usize), Vec<UserId>>,
    epoch: Option<Epoch>,
    keys: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            revoked: Lane::new(BUS_WAITING_MAX),
            kicked: Lane::new(BUS_WAITING_MAX),
            connected: Lane::new(BUS_WAITING_MAX),
            moved: Lane::new(BUS_WAITING_MAX),
            typing: Lane::new(BUS_TYPING_WAITING_MAX),
            epoch: None,
            keys: false,
        }
    }
}

impl Outbox {
    /// Adds an event; how much of it found no room.
    #[must_use]
    pub(super) fn push(&mut self, event: BusEvent) -> usize {
        match event {
            BusEvent::Moved(moved) => {
                lost(moved, |moved| self.moved.push(moved.user_id, moved, merge_moved))
            }
            BusEvent::Connected(connected) => lost(connected, |connection| {
                let Connection { user_id, device_id, point, .. } = connection;
                let subject = (user_id, device_id, point);
                self.connected.push(subject, connection, |waiting, newest| *waiting = newest)
            }),
            BusEvent::Typing { to, typing } => {
                lost(to.chunks(TYPING_TO_MAX).enumerate(), |(part, to)| {
                    let subject = (typing.conversation_id, typing.user_id, part);
                    self.typing.push(subject, to.to_vec(), |waiting, newest| *waiting = newest)
                })
            }
            BusEvent::Revoked { user_id, device_id } => {
                lost([(user_id, device_id)], |device| self.revoked.push(device, (), |(), ()| ()))
            }
            BusEvent::Kicked { user_id, device_id } => {
                lost([(user_id, device_id)], |device| self.kicked.push(device, (), |(), ()| ()))
            }
            BusEvent::EpochChanged(epoch) => {
                self.epoch = self.epoch.max(Some(epoch));
                0
            }
            BusEvent::KeysChanged => {
                self.keys = true;
                0
            }
        }
    }

    /// Takes what waited for longest, as events of at most `bytes_max` on the wire; never nothing while
    /// something waits and an event fits at all.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<pb::Event> {
        let mut room = bytes_max;
        let mut fit = |event: pb::Event| {
            room = room.checked_sub(wire::size(&event))?;
            Some(event)
        };
        let mut events = Vec::new();
        if let Some(event) = self.epoch.and_then(|epoch| fit(wire::epoch_changed(epoch))) {
            self.epoch = None;
            events.push(event);
        }
        if self.keys
            && let Some(event) = fit(wire::keys_changed())
        {
            self.keys = false;
            events.push(event);
        }
        while let Some(event) = self.pop_if(&mut fit) {
            events.push(event);
        }
        events
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { revoked, kicked, connected, moved, typing, epoch, keys } = self;
        let waiting = revoked.len() + kicked.len() + connected.len() + moved.len() + typing.len();
        waiting == 0 && epoch.is_none() && !keys
    }

    /// Drops what is worth nothing later; how much that was.
    pub(super) fn drop_fleeting(&mut self) -> usize {
        self.typing.clear()
    }

    fn pop_if(
        &mut self,
        fit: &mut impl FnMut(pb::Event) -> Option<pb::Event>,
    ) -> Option<pb::Event> {
        let Self { revoked, kicked, connected, moved, typing, .. } = self;
        if let Some((user_id, device_id)) = revoked.first() {
            return revoked.pop_if(|()| fit(wire::revoked(user_id, device_id)));
        }
        if let Some((user_id, device_id)) = kicked.first() {
            return kicked.pop_if(|()| fit(wire::kicked(user_id, device_id)));
        }
        if connected.len() > 0 {
            return connected.pop_if(|connection| fit(wire::connected(connection)));
        }
        if moved.len() > 0 {
            return moved.pop_if(|moved| fit(wire::moved(moved)));
        }
        let (conversation_id, user_id, _) = typing.first()?;
        typing.pop_if(|to| fit(wire::typing(to, Typing { conversation_id, user_id })))
    }
}

/// How many of these find no room.
fn lost<T>(things: impl IntoIterator<Item = T>, push: impl FnMut(T) -> bool) -> usize {
    things.into_iter().map(push).filter(|is_in| !is_in).count()
}

/// The newest epoch stands, its highest head with its trace, and a device is left out only when all agree on it.
fn merge_moved(waiting: &mut Moved, other: Moved) {
    if waiting.epoch != other.epoch {
        if waiting.epoch < other.epoch {
            *waiting = other;
        }
        return;
    }
    if other.notice.head >= waiting.notice.head {
        waiting.trace = other.trace;
    }
    waiting.notice.merge(other.notice);
    if waiting.except_device_id != other.except_device_id {
        waiting.except_device_id = None;
    }
}

/// Recipients that one event names: it fits the smallest batch.
const TYPING_TO_MAX: usize = 128;

#[cfg(test)]
mod tests;
