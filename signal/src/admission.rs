//! From a hello to a session that the watch is asked to hold.

use nudge_proto::{
    CloseCode,
    frame::Hello,
    ticket::{self, TicketClaims},
};

use crate::{node::Place, seat::Identity};

/// What becomes of a hello at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The watch is asked; the answer comes by mail.
    Asked,
    /// The node has no keys yet: try again when nudged.
    NoKeysYet,
    /// The connection may not stay.
    Refused(CloseCode),
}

/// Checks the ticket, takes the session into the registry, and asks the watch to hold it.
pub(crate) fn admit(place: &Place, hello: &Hello) -> Answer {
    let claims = match check(place, hello) {
        Ok(Some(claims)) => claims,
        Ok(None) => return Answer::NoKeysYet,
        Err(code) => return Answer::Refused(code),
    };
    let Place { node, seat } = place;
    node.telemetry.hellos.add_one();
    let identity = Identity {
        user_id: claims.user_id,
        device_id: claims.device_id,
        instance: hello.instance,
        attempt: hello.attempt,
        ticket_issued_at_s: claims.issued_at_s.try_into().unwrap_or(u32::MAX),
    };
    seat.identify(identity, hello.cursor);
    if node.registry.join(seat, node.connections_per_user_max).is_err() {
        return Answer::Refused(CloseCode::TooManyConnections);
    }
    node.link.hold(seat);
    Answer::Asked
}

/// `None` when there are no keys to check with.
fn check(place: &Place, hello: &Hello) -> Result<Option<TicketClaims>, CloseCode> {
    let keys = place.node.keys.read();
    let Some(keys) = keys.as_deref() else { return Ok(None) };
    let now_s = place.node.clock.unix_ms() / 1000;
    ticket::verify(keys, &hello.ticket, now_s).map(Some).map_err(|error| error.code())
}
