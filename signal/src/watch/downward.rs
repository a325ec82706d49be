//! What the watch tells, carried to the sessions it concerns.

use nudge_proto::{
    DeviceId, UserId,
    frame::Notice,
    watch::{Down, SessionKey},
};

use super::traced::Traced;
use crate::{
    node::Node,
    seat::{Seat, StreamNumber},
};

/// Applies what `stream` told.
pub(super) fn apply(node: &Node, stream: StreamNumber, item: Down, traced: &mut Traced) {
    match item {
        Down::Keys(keys) => node.set_keys(keys),
        Down::Held { session, generation, epoch, head } => {
            with_session(node, session, |seat| seat.hold(stream, generation, epoch, head));
        }
        Down::Refused { session, code } => {
            with_session(node, session, |seat| {
                // While the node moves, the old one's end may refuse what stands on the new stream.
                if !seat.is_held_since(stream + 1) {
                    seat.end(code);
                }
            });
        }
        Down::Displaced { session, code } => {
            with_session(node, session, |seat| seat.end(code));
        }
        Down::Head { user_id, notice, except_device_id, trace } => {
            traced.begin(trace, notice.message_id);
            traced.add(tell_head(node, user_id, notice, except_device_id));
        }
        Down::Typing { to, typing } => {
            node.registry.for_user(to, |seat| seat.show_typing(typing));
        }
        Down::Revoked { user_id, device_id } => revoke(node, user_id, device_id),
        Down::EpochChanged { epoch } => {
            node.registry.for_sessions(|seat| seat.end_unless_of(epoch));
        }
        // Concerns the streams and not the sessions: the client has seen to it.
        Down::Moving { .. } => {}
    }
}

fn with_session(node: &Node, session: SessionKey, tell: impl FnOnce(&Seat)) {
    if let Some(seat) = node.registry.by_key(session) {
        tell(&seat);
    }
}

/// How many sessions get a notice.
fn tell_head(
    node: &Node,
    user_id: UserId,
    notice: Notice,
    except_device_id: Option<DeviceId>,
) -> usize {
    let mut notified = 0;
    node.registry.for_user(user_id, |seat| {
        if except_device_id.is_some() && device_of(seat) == except_device_id {
            seat.advance(notice.head);
        } else {
            seat.notify(notice);
            notified += 1;
        }
    });
    notified
}

fn revoke(node: &Node, user_id: UserId, device_id: Option<DeviceId>) {
    node.registry.for_user(user_id, |seat| {
        if device_id.is_none() || device_of(seat) == device_id {
            seat.end(nudge_proto::CloseCode::Revoked);
        }
    });
}

fn device_of(seat: &Seat) -> Option<DeviceId> {
    seat.identity().map(|identity| identity.device_id)
}
