use std::{collections::VecDeque, mem::discriminant, time::Duration};

use crate::{
    CloseCode, Epoch, InboxSeq,
    frame::{ClientFrame, Typing, Welcome},
};

/// What the driver of a client's session has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEffect {
    /// Open a connection, to this address if one is given; answer with `Connected` or `Disconnected`.
    Connect {
        /// "host:port"; `None` for the configured one.
        address: Option<String>,
    },
    /// Write the frame.
    Send(ClientFrame),
    /// Close the connection, or give up opening it, and say nothing more of it.
    Disconnect,
    /// The session stands.
    Welcomed(Welcome),
    /// The inbox goes further than what is stored: pull it.
    Behind {
        /// The store's epoch; another one than the stored cursor's means reading from 0.
        epoch: Epoch,
        /// As far as is known.
        head: InboxSeq,
    },
    /// The server cannot tell the head: pull the inbox to find out.
    PollInbox,
    /// Somebody is typing.
    Typing(Typing),
    /// The ticket is no longer taken: refresh the session, answer with `TicketRenewed` or
    /// `TicketNotRenewed`.
    RenewTicket,
    /// The connection is lost; a new attempt follows by itself after this time.
    Lost {
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// Over, until the user or the app does something.
    Ended(CloseCode),
}

/// What the driver has not taken yet: at most one effect of each kind, the newest, whatever the
/// server sends and however long the driver waits.
#[derive(Debug, Default)]
pub(super) struct Effects(VecDeque<ClientEffect>);

impl Effects {
    pub(super) fn push(&mut self, effect: ClientEffect) {
        if effect == ClientEffect::Disconnect {
            // Of a connection that closes nothing is wanted any more.
            self.0.retain(|waiting| !waiting.is_of_a_connection());
        }
        self.0.retain(|waiting| !waiting.is_replaced_by(&effect));
        self.0.push_back(effect);
    }

    pub(super) fn pop(&mut self) -> Option<ClientEffect> {
        self.0.pop_front()
    }

    /// Drops everything but the end of a connection.
    pub(super) fn keep_disconnect(&mut self) {
        self.0.retain(|waiting| *waiting == ClientEffect::Disconnect);
    }
}

impl ClientEffect {
    const fn is_of_a_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Send(_))
    }

    fn is_replaced_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::Send(waiting), Self::Send(newer)) => {
                discriminant(waiting) == discriminant(newer)
            }
            (waiting, newer) => discriminant(waiting) == discriminant(newer),
        }
    }
}
