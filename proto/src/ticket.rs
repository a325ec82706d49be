//! The connect ticket: what a hello carries, minted by fetch and checked by signal.
//!
//! 85 bytes: version (1), key id (4), user (16), device (16), issued at (8), expires at (8), and a
//! keyed BLAKE3 hash of all that (32). Numbers are big-endian, times are seconds since 1970. A MAC
//! and not a signature, because a storm of reconnects must cost next to nothing.

use std::fmt;

use crate::{CloseCode, DeviceId, UserId};

/// A ticket's length in bytes.
pub const TICKET_BYTES: usize = CLAIMS_BYTES + MAC_BYTES;

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketClaims {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// Seconds since 1970.
    pub issued_at_s: u64,
    /// Seconds since 1970; not valid from then on.
    pub expires_at_s: u64,
}

/// A key that tickets are made and checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    /// Stands in each ticket, so that keys can rotate with overlap.
    pub id: u32,
    /// The secret.
    pub secret: [u8; 32],
}

impl fmt::Debug for TicketKey {
    /// Leaves the secret out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TicketKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TicketKey {
    /// Makes a ticket.
    #[must_use]
    pub fn mint(&self, claims: &TicketClaims) -> Vec<u8> {
        let mut ticket = Vec::with_capacity(TICKET_BYTES);
        ticket.push(VERSION);
        ticket.extend_from_slice(&self.id.to_be_bytes());
        ticket.extend_from_slice(claims.user_id.as_bytes());
        ticket.extend_from_slice(claims.device_id.as_bytes());
        ticket.extend_from_slice(&claims.issued_at_s.to_be_bytes());
        ticket.extend_from_slice(&claims.expires_at_s.to_be_bytes());
        let mac = blake3::keyed_hash(&self.secret, &ticket);
        ticket.extend_from_slice(mac.as_bytes());
        ticket
    }
}

/// Why a ticket is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not of a ticket's form, or not made with a key this server knows.
    #[error("the connect ticket is malformed or forged: log in again")]
    Bad,
    /// Genuine, and past its time.
    #[error("the connect ticket is past its time: refresh the session for a new one")]
    Expired,
}

impl TicketError {
    /// The code the connection closes with.
    #[must_use]
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Bad => CloseCode::BadTicket,
            Self::Expired => CloseCode::TicketExpired,
        }
    }
}

/// Checks a ticket against the keys in force at `now_s`, in seconds since 1970.
///
/// # Errors
///
/// [`TicketError`] says what is wrong; a forged ticket never reports expiry.
pub fn verify(keys: &[TicketKey], ticket: &[u8], now_s: u64) -> Result<TicketClaims, TicketError> {
    let ticket: &[u8; TICKET_BYTES] = ticket.try_into().map_err(|_| TicketError::Bad)?;
    let (claims, mac) = ticket.split_at(CLAIMS_BYTES);
    let key_id = u32::from_be_bytes(field(claims, 1));
    let key = keys.iter().find(|key| key.id == key_id).ok_or(TicketError::Bad)?;
    // Comparing two hashes takes the same time wherever they differ.
    let genuine =
        blake3::keyed_hash(&key.secret, claims) == blake3::Hash::from_bytes(field(mac, 0));
    if claims[0] != VERSION || !genuine {
        return Err(TicketError::Bad);
    }
    let claims = TicketClaims {
        user_id: uuid::Uuid::from_bytes(field(claims, 5)).into(),
        device_id: uuid::Uuid::from_bytes(field(claims, 21)).into(),
        issued_at_s: u64::from_be_bytes(field(claims, 37)),
        expires_at_s: u64::from_be_bytes(field(claims, 45)),
    };
    if now_s >= claims.expires_at_s {
        return Err(TicketError::Expired);
    }
    Ok(claims)
}

/// `N` bytes from `at` on.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

const VERSION: u8 = 1;
const CLAIMS_BYTES: usize = 1 + 4 + 16 + 16 + 8 + 8;
const MAC_BYTES: usize = 32;
