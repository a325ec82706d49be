//! Who is asking: passwords, and the three credentials of a session.
//!
//! The keys live in the store, made once under its lock, and rotate with overlap.

mod admin_token;
mod attempts;
mod checked;
mod keys;
mod links;
mod passwords;
mod peer;
mod refresh;
mod revoked;
mod tokens;
mod turn;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nudge_proto::{
    Cursor, DeviceId, ErrorCode, Handle, UserId,
    pb::content as pb,
    ticket::{TicketClaims, TicketKey},
};
use tokio::sync::Notify;

use crate::{
    clock::Clock,
    limits::{
        ACCESS_TOKEN_TIME, ATTEMPTS_PER_ADDRESS_AND_MINUTE, ATTEMPTS_PER_MINUTE, KEYS_READ_AGAIN,
        TICKET_TIME,
    },
    store::{Refresh, Refreshed, Store, StoreError, UnixMs, User},
};

pub use admin_token::{AdminToken, InvalidAdminToken};
pub use attempts::Attempts;
use keys::Changed;
pub use keys::Keys;
pub use links::Link;
pub use passwords::Passwords;
pub use peer::Peer;
pub use revoked::Revoked;
use tokens::{Scope, Token};
use turn::Turn;

/// Issues and checks credentials.
#[derive(Debug)]
pub struct Auth {
    store: Arc<dyn Store>,
    clock: Clock,
    keys: Keys,
    /// Hashes and checks passwords, a few at a time.
    pub passwords: Passwords,
    /// Counts attempts to guess one, by handle and by user.
    pub attempts: Attempts,
    /// Counts log ins and registrations by where they come from.
    pub addresses: Attempts,
    /// Devices whose access tokens are no longer taken.
    revoked: Revoked,
    /// When the keys were last read, in milliseconds since 1970.
    keys_read_at: AtomicU64,
    /// To read the keys for a token whose key is not known here.
    unknown_key: Turn,
    /// The tickets' keys are others than before.
    ticket_keys_changed: Notify,
}

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Which user.
    pub user_id: UserId,
    /// From which device.
    pub device_id: DeviceId,
}

impl Caller {
    /// As the store wants it.
    #[must_use]
    pub const fn pair(self) -> (UserId, DeviceId) {
        (self.user_id, self.device_id)
    }
}

/// Why a credential is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The access token is past its time.
    #[error("the access token is past its time: refresh the session")]
    AccessExpired,
    /// Not an access token of this server.
    #[error("the access token is missing, malformed or forged: send Authorization: Bearer <token>")]
    AccessInvalid,
    /// A link is past its time.
    #[error("this link is past its time: ask for another one")]
    LinkExpired,
    /// Not a link to this medium.
    #[error("this link is malformed, forged or to another medium: ask for one")]
    LinkInvalid,
    /// The device was revoked.
    #[error("this device was revoked: log in as a new one")]
    DeviceRevoked,
    /// Not a refresh token of a living session.
    #[error("the refresh token is malformed or of an ended session: log in again")]
    RefreshInvalid,
    /// An old refresh token came back.
    #[error("this refresh token was used before, so the device is revoked: log in as a new one")]
    RefreshReused(Caller),
    /// Handle or password is wrong.
    #[error("handle or password is wrong")]
    Credentials,
    /// Too many at once, or for one handle.
    #[error("too many attempts: wait a minute")]
    TooManyAttempts,
    /// The store has its reasons.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the server.
    #[error("{0}")]
    Internal(String),
}

impl AuthError {
    /// The code it is reported under.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::AccessExpired | Self::LinkExpired => ErrorCode::AccessTokenExpired,
            Self::AccessInvalid | Self::LinkInvalid => ErrorCode::AccessTokenInvalid,
            Self::DeviceRevoked => ErrorCode::DeviceRevoked,
            Self::RefreshInvalid => ErrorCode::RefreshTokenInvalid,
            Self::RefreshReused(_) => ErrorCode::RefreshTokenReused,
            Self::Credentials => ErrorCode::CredentialsInvalid,
            Self::TooManyAttempts => ErrorCode::RateLimited,
            Self::Store(error) => error.code(),
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}

impl Auth {
    /// Loads the keys, making them at the first start.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or holds a key that is none.
    pub async fn start(store: Arc<dyn Store>, clock: Clock) -> Result<Self, AuthError> {
        let keys = Keys::default();
        let auth = Self {
            store,
            keys,
            passwords: Passwords::default(),
            attempts: Attempts::new(ATTEMPTS_PER_MINUTE),
            addresses: Attempts::new(ATTEMPTS_PER_ADDRESS_AND_MINUTE),
            revoked: Revoked::default(),
            keys_read_at: AtomicU64::new(0),
            unknown_key: Turn::new(KEYS_READ_AGAIN),
            ticket_keys_changed: Notify::new(),
            clock,
        };
        auth.reload_keys().await?;
        auth.reload_revoked().await?;
        Ok(auth)
    }

    /// Makes new keys where the newest retired, and forgets old ones. Returns whether there are others
    /// than before.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn rotate(&self) -> Result<bool, AuthError> {
        let changed = self.reload_keys().await?;
        if changed.tickets {
            self.ticket_keys_changed.notify_one();
        }
        Ok(changed.tickets || changed.access)
    }

    async fn reload_keys(&self) -> Result<Changed, AuthError> {
        let now = self.clock.now();
        let changed = self.keys.reload(self.store.as_ref(), now).await?;
        self.keys_read_at.store(now.0, Ordering::Relaxed);
        Ok(changed)
    }

    /// How long ago the keys were read; they are read every few minutes.
    #[must_use]
    pub fn keys_age(&self) -> Duration {
        let read_at = self.keys_read_at.load(Ordering::Relaxed);
        Duration::from_millis(self.clock.now().0.saturating_sub(read_at))
    }

    /// Waits until the tickets' keys are others than when this was last awaited; for one who waits.
    pub async fn ticket_keys_changed(&self) {
        self.ticket_keys_changed.notified().await;
    }

    /// Reads again which devices were revoked within an access token's life.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn reload_revoked(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let since = UnixMs(now.0.saturating_sub(2 * ACCESS_TOKEN_TIME.as_millis() as u64));
        self.revoked.renew(self.store.revoked_since(since).await?, now, since);
        Ok(())
    }

    /// Takes no more access tokens of a device, or of any device of the user, on this node.
    pub fn revoke(&self, user_id: UserId, device_id: Option<DeviceId>) {
        self.revoked.insert(user_id, device_id, self.clock.now());
    }

    /// The keys that signal checks tickets with.
    #[must_use]
    pub fn ticket_keys(&self) -> Vec<TicketKey> {
        self.keys.ticket_keys()
    }

    /// The public keys of access tokens, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.keys.jwks()
    }

    /// The three credentials of a session whose newest refresh token is `n` of `chain`.
    ///
    /// # Errors
    ///
    /// [`AuthError::Internal`] when a key cannot sign.
    pub fn issue(
        &self,
        user: &User,
        device_id: DeviceId,
        chain: u64,
        n: u64,
        cursor: Cursor,
    ) -> Result<pb::Session, AuthError> {
        let now = self.clock.now();
        let access_expires_at = now.0 + ACCESS_TOKEN_TIME.as_millis() as u64;
        let ticket_expires_at = now.0 + TICKET_TIME.as_millis() as u64;
        let caller = Caller { user_id: user.id, device_id };
        let access = Token {
            caller,
            scope: Scope::Everything,
            issued_at_s: now.0 / 1000,
            expires_at_s: access_expires_at / 1000,
        };
        let claims = TicketClaims {
            user_id: user.id,
            device_id,
            issued_at_s: now.0 / 1000,
            expires_at_s: ticket_expires_at / 1000,
        };
        Ok(pb::Session {
            user: Some(crate::http::convert::user(user)),
            device_id: device_id.to_string(),
            connect_ticket: URL_SAFE_NO_PAD.encode(self.keys.mint_ticket(&claims)?),
            connect_ticket_expires_at_ms: ticket_expires_at,
            access_token: self.keys.sign(&access)?,
            access_token_expires_at_ms: access_expires_at,
            refresh_token: self.keys.refresh_secret()?.make(caller, chain, n),
            cursor: cursor.to_string(),
        })
    }

    /// Who an access token speaks for.
    ///
    /// # Errors
    ///
    /// [`AuthError::AccessExpired`], [`AuthError::AccessInvalid`], [`AuthError::DeviceRevoked`].
    pub async fn caller(&self, access_token: &str) -> Result<Caller, AuthError> {
        self.bearer(access_token, Scope::Everything).await
    }

    /// Who bears a token. One whose key is not known here may be of a node that made a new key since the keys
    /// were read.
    async fn bearer(&self, token: &str, scope: Scope) -> Result<Caller, AuthError> {
        let check = || self.keys.check(token, scope, self.clock.now().0 / 1000);
        let mut checked = check();
        if checked.is_err() && self.keys.lacks_key_of(token) {
            self.unknown_key.take(self.read_keys()).await;
            checked = check();
        }
        let caller = checked?;
        if self.revoked.contains(caller) {
            return Err(AuthError::DeviceRevoked);
        }
        Ok(caller)
    }

    async fn read_keys(&self) {
        if let Err(error) = self.rotate().await {
            tracing::warn!(%error, "the keys could not be read for a token");
        }
    }

    /// Counts an anonymous attempt at a handle, before anything is looked up or hashed.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when there were too many at this handle or from this network.
    pub fn count_attempt(&self, from: Peer, handle: &Handle) -> Result<(), AuthError> {
        let now = self.clock.now();
        self.addresses.count(&from.network(), now)?;
        self.attempts.count(handle.as_str(), now)
    }

    /// Counts an attempt of who is logged in already: nobody else uses his attempts up.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when there were too many.
    pub fn count_own_attempt(&self, user_id: UserId) -> Result<(), AuthError> {
        // No handle has a colon.
        self.attempts.count(&format!("me:{user_id}"), self.clock.now())
    }

    /// New credentials for a refresh token.
    ///
    /// # Errors
    ///
    /// [`AuthError::RefreshInvalid`]; [`AuthError::RefreshReused`] once the store has revoked the
    /// device: that is to be told.
    pub async fn refresh(&self, token: &str) -> Result<pb::Session, AuthError> {
        let (caller, chain, n) = self.keys.check_refresh(token)?;
        let refresh = Refresh {
            user_id: caller.user_id,
            device_id: caller.device_id,
            chain,
            n,
            now: self.clock.now(),
        };
        match self.store.refresh(refresh).await? {
            Refreshed::Ended => Err(AuthError::RefreshInvalid),
            Refreshed::Reused => Err(AuthError::RefreshReused(caller)),
            Refreshed::Next { n, cursor } => {
                let account = self.store.account(caller.user_id).await?;
                let account = account.ok_or(AuthError::RefreshInvalid)?;
                self.issue(&account.user, caller.device_id, chain, n, cursor)
            }
        }
    }
}
