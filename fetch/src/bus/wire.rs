//! The events as they go over the wire: [`pb::Batch`], typed.

use nudge_proto::{
    ConversationId, DeviceId, Epoch, InboxSeq, MessageId, TraceContext, UserId,
    frame::{Notice, NoticeFlags, Typing},
    ids::InvalidId,
    pb::bus::{self as pb, event::Event},
    watch::Generation,
};
use prost::{Message, bytes::Bytes};

use super::{BusEvent, Connection};
use crate::store::{Moved, Point};

/// A batch that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) node: u64,
    pub(super) number: u64,
    /// How many events were in it, known or not.
    pub(super) count: usize,
    /// What is known of them; neighbours of a kind that has many are one event.
    pub(super) events: Vec<BusEvent>,
}

/// What is no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbled {
    #[error("not a batch: {0}")]
    Message(#[from] prost::DecodeError),
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Batch {
    /// Reads a batch; events of a newer version are left out.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Garbled> {
        let batch = pb::Batch::decode(bytes)?;
        let count = batch.events.len();
        let mut events = Vec::new();
        for event in batch.events.into_iter().filter_map(|event| event.event) {
            match (from_wire(event)?, events.last_mut()) {
                (BusEvent::Moved(moved), Some(BusEvent::Moved(before))) => before.extend(moved),
                (BusEvent::Connected(connected), Some(BusEvent::Connected(before))) => {
                    before.extend(connected);
                }
                (event, _) => events.push(event),
            }
        }
        Ok(Self { node: batch.node, number: batch.number, count, events })
    }
}

pub(super) fn encode(node: u64, number: u64, events: Vec<pb::Event>) -> Vec<u8> {
    pb::Batch { node, number, events }.encode_to_vec()
}

/// The bytes that an event adds to a batch.
pub(super) fn size(event: &pb::Event) -> usize {
    let length = event.encoded_len();
    // A tag of one byte.
    1 + prost::length_delimiter_len(length) + length
}

/// The most that a batch without events takes: a fixed number and a variable one, each with its tag.
pub(super) const EMPTY_BATCH_BYTES_MAX: usize = 9 + 11;

pub(super) fn moved(moved: &Moved) -> pb::Event {
    event(Event::Moved(pb::Moved {
        user_id: bytes(moved.user_id.as_bytes()),
        head: moved.notice.head.0,
        message_id: moved.notice.message_id.map(|id| bytes(id.as_bytes())).unwrap_or_default(),
        flags: moved.notice.flags.bits(),
        except_device_id: device(moved.except_device_id),
        epoch: moved.epoch.map_or(0, |epoch| epoch.0),
        trace: moved
            .trace
            .map(|trace| Bytes::copy_from_slice(&trace.to_bytes()))
            .unwrap_or_default(),
    }))
}

pub(super) fn typing(to: &[UserId], typing: Typing) -> pb::Event {
    event(Event::Typing(pb::Typing {
        to_user_ids: to.iter().map(|id| bytes(id.as_bytes())).collect(),
        conversation_id: bytes(typing.conversation_id.as_bytes()),
        user_id: bytes(typing.user_id.as_bytes()),
    }))
}

pub(super) fn revoked(user_id: UserId, device_id: Option<DeviceId>) -> pb::Event {
    event(Event::Revoked(pb::Revoked {
        user_id: bytes(user_id.as_bytes()),
        device_id: device(device_id),
    }))
}

pub(super) fn kicked(user_id: UserId, device_id: Option<DeviceId>) -> pb::Event {
    event(Event::Kicked(pb::Kicked {
        user_id: bytes(user_id.as_bytes()),
        device_id: device(device_id),
    }))
}

pub(super) fn connected(connection: &Connection) -> pb::Event {
    event(Event::Connected(pb::Connected {
        user_id: bytes(connection.user_id.as_bytes()),
        device_id: bytes(connection.device_id.as_bytes()),
        instance: connection.instance,
        attempt: connection.attempt,
        generation: connection.point.generation.0,
        epoch: connection.point.epoch.0,
        floor: connection.floor.generation.0,
        floor_epoch: connection.floor.epoch.0,
    }))
}

pub(super) fn epoch_changed(epoch: Epoch) -> pb::Event {
    event(Event::EpochChanged(pb::EpochChanged { epoch: epoch.0 }))
}

pub(super) fn keys_changed() -> pb::Event {
    event(Event::KeysChanged(pb::KeysChanged {}))
}

fn from_wire(event: Event) -> Result<BusEvent, InvalidId> {
    Ok(match event {
        Event::Moved(moved) => BusEvent::Moved(vec![Moved {
            user_id: UserId::from_slice(&moved.user_id)?,
            epoch: Some(Epoch(moved.epoch)).filter(|epoch| epoch.0 > 0),
            notice: Notice {
                head: InboxSeq(moved.head),
                message_id: optional(&moved.message_id, MessageId::from_slice)?,
                flags: NoticeFlags::from_bits(moved.flags),
            },
            except_device_id: optional(&moved.except_device_id, DeviceId::from_slice)?,
            trace: TraceContext::from_slice(&moved.trace),
        }]),
        Event::Typing(typing) => BusEvent::Typing {
            to: typing
                .to_user_ids
                .iter()
                .map(|id| UserId::from_slice(id))
                .collect::<Result<_, _>>()?,
            typing: Typing {
                conversation_id: ConversationId::from_slice(&typing.conversation_id)?,
                user_id: UserId::from_slice(&typing.user_id)?,
            },
        },
        Event::Revoked(revoked) => BusEvent::Revoked {
            user_id: UserId::from_slice(&revoked.user_id)?,
            device_id: optional(&revoked.device_id, DeviceId::from_slice)?,
        },
        Event::Kicked(kicked) => BusEvent::Kicked {
            user_id: UserId::from_slice(&kicked.user_id)?,
            device_id: optional(&kicked.device_id, DeviceId::from_slice)?,
        },
        Event::Connected(connected) => BusEvent::Connected(vec![Connection {
            user_id: UserId::from_slice(&connected.user_id)?,
            device_id: DeviceId::from_slice(&connected.device_id)?,
            instance: connected.instance,
            attempt: connected.attempt,
            point: point(connected.epoch, connected.generation),
            floor: point(connected.floor_epoch, connected.floor),
        }]),
        Event::EpochChanged(changed) => BusEvent::EpochChanged(Epoch(changed.epoch)),
        Event::KeysChanged(pb::KeysChanged {}) => BusEvent::KeysChanged,
    })
}

const fn point(epoch: u64, generation: u64) -> Point {
    Point { epoch: Epoch(epoch), generation: Generation(generation) }
}

fn optional<T>(
    id: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, InvalidId>,
) -> Result<Option<T>, InvalidId> {
    if id.is_empty() { Ok(None) } else { read(id).map(Some) }
}

const fn event(event: Event) -> pb::Event {
    pb::Event { event: Some(event) }
}

fn device(device_id: Option<DeviceId>) -> Bytes {
    device_id.map(|id| bytes(id.as_bytes())).unwrap_or_default()
}

fn bytes(id: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(id)
}

#[cfg(test)]
mod tests;
