//! Messages that hold a ticket, a token, a password or a key say only their name when they are
//! printed: secrets never reach a log. `build.rs` has the same list.

use std::fmt;

use super::{content, signal, watch};

macro_rules! print_only_the_name {
    ($($message:ty = $name:literal),* $(,)?) => {
        $(impl fmt::Debug for $message {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct($name).finish_non_exhaustive()
            }
        })*
    };
}

print_only_the_name! {
    signal::Hello = "Hello",
    watch::TicketKey = "TicketKey",
    content::CreateAccountRequest = "CreateAccountRequest",
    content::CreateSessionRequest = "CreateSessionRequest",
    content::Session = "Session",
    content::RefreshRequest = "RefreshRequest",
    content::DeleteAccountRequest = "DeleteAccountRequest",
    content::ChangePasswordRequest = "ChangePasswordRequest",
}
