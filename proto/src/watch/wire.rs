//! Batches from and to protobuf.
//!
//! An item that a newer version may say is left out; one that is malformed spoils its batch, because
//! whoever sends such a thing sends others.

use bytes::Bytes;

use super::{Down, Generation, Hold, Known, Up, WATCH_BATCH_MAX};
use crate::{
    CloseCode, ConversationId, Cursor, DeviceId, Epoch, InboxSeq, MessageId, TraceContext, UserId,
    frame::{Notice, NoticeFlags, Typing},
    ids::InvalidId,
    limits::INBOX_SEQ_MAX,
    pb::watch::{self as pb, down, up},
    ticket::TicketKey,
};

/// A batch that cannot be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// More than one batch.
    #[error("a batch has at most {WATCH_BATCH_MAX} items, not {0}")]
    TooMany(usize),
    /// An item's id.
    #[error("item {at} of the batch: {source}")]
    Id {
        /// Which item, from 0 on.
        at: usize,
        /// What is wrong with it.
        source: InvalidId,
    },
    /// An item's field.
    #[error("item {at} of the batch: {what}")]
    Field {
        /// Which item, from 0 on.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What is wrong within an item.
enum Wrong {
    Id(InvalidId),
    Field(&'static str),
}

impl From<InvalidId> for Wrong {
    fn from(invalid: InvalidId) -> Self {
        Self::Id(invalid)
    }
}

/// A batch upward as it is sent.
#[must_use]
pub fn encode_up(batch: &[Up]) -> pb::WatchUp {
    let items = batch.iter().map(|item| pb::Up { item: Some(up_to_pb(item)) });
    pb::WatchUp { items: items.collect() }
}

/// A batch downward as it is sent.
#[must_use]
pub fn encode_down(batch: &[Down]) -> pb::WatchDown {
    let items = batch.iter().map(|item| pb::Down { item: Some(down_to_pb(item)) });
    pb::WatchDown { items: items.collect() }
}

/// A batch upward as it was received.
///
/// # Errors
///
/// [`InvalidBatch`] says what is wrong with which item.
pub fn decode_up(batch: pb::WatchUp) -> Result<Vec<Up>, InvalidBatch> {
    decode(batch.items.into_iter().map(|up| up.item), up_from_pb)
}

/// A batch downward as it was received.
///
/// # Errors
///
/// [`InvalidBatch`] says what is wrong with which item.
pub fn decode_down(batch: pb::WatchDown) -> Result<Vec<Down>, InvalidBatch> {
    decode(batch.items.into_iter().map(|down| down.item), down_from_pb)
}

fn decode<P, T>(
    items: impl ExactSizeIterator<Item = Option<P>>,
    decode: impl Fn(P) -> Result<T, Wrong>,
) -> Result<Vec<T>, InvalidBatch> {
    if items.len() > WATCH_BATCH_MAX {
        return Err(InvalidBatch::TooMany(items.len()));
    }
    let mut decoded = Vec::with_capacity(items.len());
    for (at, item) in items.enumerate() {
        let Some(item) = item else { continue };
        decoded.push(decode(item).map_err(|wrong| match wrong {
            Wrong::Id(source) => InvalidBatch::Id { at, source },
            Wrong::Field(what) => InvalidBatch::Field { at, what },
        })?);
    }
    Ok(decoded)
}

fn up_to_pb(item: &Up) -> up::Item {
    match item {
        Up::Hold(hold) => up::Item::Hold(pb::Hold {
            session: hold.session,
            user_id: id(hold.user_id.as_bytes()),
            device_id: id(hold.device_id.as_bytes()),
            instance: hold.instance,
            attempt: hold.attempt,
            ticket_issued_at_s: hold.ticket_issued_at_s,
            acked: hold.acked.map(cursor_to_pb),
            known: hold.known.map(|known| pb::Known {
                generation: known.generation.0,
                epoch: known.epoch.0,
                head: known.head.0,
            }),
            late: hold.late,
        }),
        Up::Drop { session } => up::Item::Drop(pb::Drop { session: *session }),
        Up::Ack { user_id, device_id, cursor } => up::Item::Ack(pb::Ack {
            user_id: id(user_id.as_bytes()),
            device_id: id(device_id.as_bytes()),
            cursor: Some(cursor_to_pb(*cursor)),
        }),
    }
}

fn up_from_pb(item: up::Item) -> Result<Up, Wrong> {
    Ok(match item {
        up::Item::Hold(hold) => Up::Hold(Hold {
            session: hold.session,
            user_id: UserId::from_slice(&hold.user_id)?,
            device_id: DeviceId::from_slice(&hold.device_id)?,
            instance: hold.instance,
            attempt: hold.attempt,
            ticket_issued_at_s: hold.ticket_issued_at_s,
            acked: hold.acked.map(cursor_from_pb).transpose()?,
            known: hold.known.map(known_from_pb).transpose()?,
            late: hold.late,
        }),
        up::Item::Drop(pb::Drop { session }) => Up::Drop { session },
        up::Item::Ack(ack) => Up::Ack {
            user_id: UserId::from_slice(&ack.user_id)?,
            device_id: DeviceId::from_slice(&ack.device_id)?,
            cursor: cursor_from_pb(ack.cursor.ok_or(Wrong::Field("an ack needs a cursor"))?)?,
        },
    })
}

fn down_to_pb(item: &Down) -> down::Item {
    match item {
        Down::Keys(keys) => down::Item::Keys(pb::Keys {
            keys: keys
                .iter()
                .map(|key| pb::TicketKey {
                    id: key.id,
                    secret: Bytes::copy_from_slice(&key.secret),
                })
                .collect(),
        }),
        Down::Held { session, generation, epoch, head } => down::Item::Held(pb::Held {
            session: *session,
            generation: generation.0,
            epoch: epoch.0,
            head: head.0,
        }),
        Down::Refused { session, code } => {
            down::Item::Refused(pb::Refused { session: *session, code: code.to_wire() })
        }
        Down::Head { user_id, notice, except_device_id, trace } => down::Item::Head(pb::Head {
            user_id: id(user_id.as_bytes()),
            head: notice.head.0,
            message_id: notice.message_id.map_or_else(Bytes::new, |id| self::id(id.as_bytes())),
            flags: notice.flags.bits(),
            except_device_id: except_device_id
                .map_or_else(Bytes::new, |id| self::id(id.as_bytes())),
            trace: trace.map_or_else(Bytes::new, |trace| Bytes::copy_from_slice(&trace.to_bytes())),
        }),
        Down::Typing { to, typing } => down::Item::Typing(pb::Typing {
            to_user_id: id(to.as_bytes()),
            conversation_id: id(typing.conversation_id.as_bytes()),
            user_id: id(typing.user_id.as_bytes()),
        }),
        Down::Revoked { user_id, device_id } => down::Item::Revoked(pb::Revoked {
            user_id: id(user_id.as_bytes()),
            device_id: device_id.map_or_else(Bytes::new, |id| self::id(id.as_bytes())),
        }),
        Down::Displaced { session, code } => {
            down::Item::Displaced(pb::Displaced { session: *session, code: code.to_wire() })
        }
        Down::EpochChanged { epoch } => {
            down::Item::EpochChanged(pb::EpochChanged { epoch: epoch.0 })
        }
        Down::Moving { deadline_ms } => {
            down::Item::Moving(pb::Moving { deadline_ms: *deadline_ms })
        }
    }
}

fn down_from_pb(item: down::Item) -> Result<Down, Wrong> {
    Ok(match item {
        down::Item::Keys(keys) => Down::Keys(keys_from_pb(keys)?),
        down::Item::Held(held) => Down::Held {
            session: held.session,
            generation: Generation(held.generation),
            epoch: Epoch(held.epoch),
            head: seq_from_pb(held.head)?,
        },
        down::Item::Refused(pb::Refused { session, code }) => {
            Down::Refused { session, code: CloseCode::from_wire(code) }
        }
        down::Item::Head(head) => Down::Head {
            user_id: UserId::from_slice(&head.user_id)?,
            notice: Notice {
                head: seq_from_pb(head.head)?,
                message_id: optional(&head.message_id, MessageId::from_slice)?,
                flags: NoticeFlags::from_bits(head.flags),
            },
            except_device_id: optional(&head.except_device_id, DeviceId::from_slice)?,
            trace: TraceContext::from_slice(&head.trace),
        },
        down::Item::Typing(typing) => Down::Typing {
            to: UserId::from_slice(&typing.to_user_id)?,
            typing: Typing {
                conversation_id: ConversationId::from_slice(&typing.conversation_id)?,
                user_id: UserId::from_slice(&typing.user_id)?,
            },
        },
        down::Item::Revoked(revoked) => Down::Revoked {
            user_id: UserId::from_slice(&revoked.user_id)?,
            device_id: optional(&revoked.device_id, DeviceId::from_slice)?,
        },
        down::Item::Displaced(pb::Displaced { session, code }) => {
            Down::Displaced { session, code: CloseCode::from_wire(code) }
        }
        down::Item::EpochChanged(pb::EpochChanged { epoch }) => {
            Down::EpochChanged { epoch: Epoch(epoch) }
        }
        down::Item::Moving(pb::Moving { deadline_ms }) => Down::Moving { deadline_ms },
    })
}

fn keys_from_pb(keys: pb::Keys) -> Result<Vec<TicketKey>, Wrong> {
    if keys.keys.is_empty() {
        return Err(Wrong::Field("without a key no ticket would be good"));
    }
    let key_from_pb = |key: pb::TicketKey| {
        let secret = key.secret.as_ref().try_into();
        let secret = secret.map_err(|_| Wrong::Field("a ticket key's secret has 32 bytes"))?;
        Ok(TicketKey { id: key.id, secret })
    };
    keys.keys.into_iter().map(key_from_pb).collect()
}

fn known_from_pb(known: pb::Known) -> Result<Known, Wrong> {
    Ok(Known {
        generation: Generation(known.generation),
        epoch: Epoch(known.epoch),
        head: seq_from_pb(known.head)?,
    })
}

fn cursor_to_pb(cursor: Cursor) -> pb::Cursor {
    pb::Cursor { epoch: cursor.epoch.0, seq: cursor.seq.0 }
}

fn cursor_from_pb(cursor: pb::Cursor) -> Result<Cursor, Wrong> {
    Ok(Cursor { epoch: Epoch(cursor.epoch), seq: seq_from_pb(cursor.seq)? })
}

fn seq_from_pb(seq: u64) -> Result<InboxSeq, Wrong> {
    match seq {
        0..=INBOX_SEQ_MAX => Ok(InboxSeq(seq)),
        _ => Err(Wrong::Field("an inbox number is above the highest there is")),
    }
}

fn optional<T>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, InvalidId>,
) -> Result<Option<T>, InvalidId> {
    if bytes.is_empty() { Ok(None) } else { parse(bytes).map(Some) }
}

fn id(bytes: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
