use std::{
    fmt,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use nudge_proto::ticket::{TicketClaims, TicketKey};

use super::{AuthError, Caller, checked::Checked, refresh::RefreshSecret, tokens::Token};
use crate::{
    limits::{ACCESS_TOKEN_TIME, KEY_TIME, TICKET_TIME},
    store::{Key, KeyPurpose, Store, UnixMs},
};

/// The keys in force, newest first.
#[derive(Default)]
pub struct Keys(RwLock<Loaded>);

#[derive(Default)]
pub(super) struct Loaded {
    ticket: Vec<TicketKey>,
    pub(super) access: Vec<AccessKey>,
    refresh: Vec<RefreshSecret>,
    /// Which of the tickets' and which of the access keys makes.
    pub(super) making: (usize, usize),
    /// Tokens of these keys.
    pub(super) checked: Checked<Token>,
}

pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) signing: EncodingKey,
    pub(super) checking: DecodingKey,
    public: Vec<u8>,
}

/// Which keys are others than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) tickets: bool,
    pub(super) access: bool,
}

impl Keys {
    /// Reads the keys, making what is missing.
    pub(super) async fn reload(
        &self,
        store: &dyn Store,
        now: UnixMs,
    ) -> Result<Changed, AuthError> {
        let ticket = load(store, KeyPurpose::Ticket, random_secret()?, TICKET_TIME, now).await?;
        let access =
            load(store, KeyPurpose::Access, new_ed25519()?, ACCESS_TOKEN_TIME, now).await?;
        // A refresh token has no end of its own: its key never retires.
        let refresh = load(store, KeyPurpose::Refresh, random_secret()?, FOREVER, now).await?;
        let loaded = Loaded {
            ticket: ticket.iter().map(ticket_key).collect::<Result<_, _>>()?,
            access: access.iter().map(access_key).collect::<Result<_, _>>()?,
            refresh: refresh
                .iter()
                .map(|key| secret(key).map(RefreshSecret))
                .collect::<Result<_, _>>()?,
            making: (making(&ticket, now), making(&access, now)),
            checked: Checked::default(),
        };
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let ids = |keys: &[AccessKey]| keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
        let changed = Changed {
            tickets: current.ticket != loaded.ticket,
            access: ids(&current.access) != ids(&loaded.access),
        };
        *current = loaded;
        Ok(changed)
    }

    pub(super) fn ticket_keys(&self) -> Vec<TicketKey> {
        self.read().ticket.clone()
    }

    pub(super) fn mint_ticket(&self, claims: &TicketClaims) -> Result<Vec<u8>, AuthError> {
        let loaded = self.read();
        Ok(loaded.ticket.get(loaded.making.0).ok_or_else(no_key)?.mint(claims))
    }

    pub(super) fn refresh_secret(&self) -> Result<RefreshSecret, AuthError> {
        self.read().refresh.first().cloned().ok_or_else(no_key)
    }

    pub(super) fn check_refresh(&self, token: &str) -> Result<(Caller, u64, u64), AuthError> {
        let loaded = self.read();
        let found = loaded.refresh.iter().find_map(|secret| secret.check(token));
        found.ok_or(AuthError::RefreshInvalid)
    }

    pub(super) fn jwks(&self) -> serde_json::Value {
        let loaded = self.read();
        let keys = loaded.access.iter().map(|key| {
            serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": key.id,
                "x": URL_SAFE_NO_PAD.encode(&key.public),
            })
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Keys {
    /// One access key, and nothing else.
    pub(super) fn one() -> Self {
        let at = UnixMs(0);
        let secret = new_ed25519().unwrap();
        let key = Key { id: 1, secret, created_at: at, retire_at: at, not_after: at };
        let access = vec![access_key(&key).unwrap()];
        Self(RwLock::new(Loaded { access, ..Loaded::default() }))
    }
}

impl fmt::Debug for Keys {
    /// Leaves the secrets out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Which key makes: the newest that every node has had the time to learn of, unless it retired too long
/// ago to check for a token's whole life. Without one the newest makes at once.
fn making(keys: &[Key], now: UnixMs) -> usize {
    let since = |time: UnixMs| Duration::from_millis(now.0.saturating_sub(time.0));
    let fits =
        |key: &Key| since(key.created_at) >= KEY_LEARNED && since(key.retire_at) < KEY_OVERLAP / 2;
    keys.iter().position(fits).unwrap_or(0)
}

/// The keys of a purpose; a new one checks for `token_time` longer than it makes.
async fn load(
    store: &dyn Store,
    purpose: KeyPurpose,
    secret: Vec<u8>,
    token_time: Duration,
    now: UnixMs,
) -> Result<Vec<Key>, AuthError> {
    let making = if token_time == FOREVER { FOREVER } else { KEY_TIME };
    let retire_at = now.0 + making.as_millis() as u64;
    let fresh = Key {
        id: 0,
        secret,
        created_at: now,
        retire_at: UnixMs(retire_at),
        not_after: UnixMs(retire_at + (token_time + KEY_OVERLAP).as_millis() as u64),
    };
    Ok(store.keys(purpose, fresh, now).await?)
}

fn random_secret() -> Result<Vec<u8>, AuthError> {
    let mut secret = vec![0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| AuthError::Internal("the system has no randomness".to_owned()))?;
    Ok(secret)
}

fn new_ed25519() -> Result<Vec<u8>, AuthError> {
    let key = Ed25519KeyPair::generate()
        .and_then(|pair| pair.to_pkcs8())
        .map_err(|_| AuthError::Internal("cannot make a signing key".to_owned()))?;
    Ok(key.as_ref().to_vec())
}

fn secret(key: &Key) -> Result<[u8; 32], AuthError> {
    key.secret
        .as_slice()
        .try_into()
        .map_err(|_| AuthError::Internal(format!("key {} has not 32 bytes", key.id)))
}

fn ticket_key(key: &Key) -> Result<TicketKey, AuthError> {
    Ok(TicketKey { id: key.id, secret: secret(key)? })
}

fn access_key(key: &Key) -> Result<AccessKey, AuthError> {
    let pair = Ed25519KeyPair::from_pkcs8(&key.secret)
        .map_err(|error| AuthError::Internal(format!("access key {}: {error}", key.id)))?;
    let public = pair.public_key().as_ref().to_vec();
    Ok(AccessKey {
        id: key.id.to_string(),
        signing: EncodingKey::from_ed_der(&key.secret),
        checking: DecodingKey::from_ed_der(&public),
        public,
    })
}

pub(super) fn no_key() -> AuthError {
    AuthError::Internal("no key is loaded".to_owned())
}

/// Every node knows a new key after this time: each reads the keys every ten minutes.
const KEY_LEARNED: Duration = Duration::from_secs(15 * 60);
/// How long a retired key may go on making, until its successor is known and every node has noticed.
const KEY_OVERLAP: Duration = Duration::from_secs(3600);
/// About three thousand years.
const FOREVER: Duration = Duration::from_secs(100_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_makes_once_every_node_knows_it() {
        let at = |minute: u64| UnixMs(minute * 60_000);
        let key = |made: u64, retired: u64| Key {
            id: 1,
            secret: Vec::new(),
            created_at: at(made),
            retire_at: at(retired),
            not_after: UnixMs(u64::MAX),
        };
        assert_eq!(making(&[key(100, 200)], at(100)), 0, "the first ever makes at once");
        let both = [key(100, 200), key(0, 100)];
        for (minute, expected) in [(100, 1), (114, 1), (115, 0), (150, 0)] {
            assert_eq!(making(&both, at(minute)), expected, "in minute {minute}");
        }
        // Nobody was there to make a new one in time.
        let late = [key(140, 240), key(0, 100)];
        assert_eq!(making(&late, at(140)), 0, "the old one would not check for long enough");
    }
}
