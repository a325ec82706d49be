use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::Caller;

/// The secret that refresh tokens are made with.
///
/// A token is user (16 bytes), device (16), log in (8), number (8) and a keyed BLAKE3 hash of these
/// (32), in base64url. The store keeps only the number of the newest: that is all the state of a
/// rotation, and the reason why a lost answer can be given again.
#[derive(Clone)]
pub(super) struct RefreshSecret(pub(super) [u8; 32]);

impl RefreshSecret {
    pub(super) fn make(&self, caller: Caller, chain: u64, n: u64) -> String {
        let mut token = Vec::with_capacity(TOKEN_BYTES);
        token.extend_from_slice(caller.user_id.as_bytes());
        token.extend_from_slice(caller.device_id.as_bytes());
        token.extend_from_slice(&chain.to_be_bytes());
        token.extend_from_slice(&n.to_be_bytes());
        let mac = blake3::keyed_hash(&self.0, &token);
        token.extend_from_slice(mac.as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The caller, log in and number of a token made with this secret.
    pub(super) fn check(&self, token: &str) -> Option<(Caller, u64, u64)> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let token: [u8; TOKEN_BYTES] = token.try_into().ok()?;
        let (claims, mac) = token.split_at(CLAIMS_BYTES);
        // Comparing two hashes takes the same time wherever they differ.
        let mac = blake3::Hash::from_bytes(mac.try_into().ok()?);
        if blake3::keyed_hash(&self.0, claims) != mac {
            return None;
        }
        let caller = Caller {
            user_id: Uuid::from_slice(&claims[..16]).ok()?.into(),
            device_id: Uuid::from_slice(&claims[16..32]).ok()?.into(),
        };
        let chain = u64::from_be_bytes(claims[32..40].try_into().ok()?);
        let n = u64::from_be_bytes(claims[40..].try_into().ok()?);
        Some((caller, chain, n))
    }
}

const CLAIMS_BYTES: usize = 16 + 16 + 8 + 8;
const TOKEN_BYTES: usize = CLAIMS_BYTES + 32;

#[cfg(test)]
mod tests {
    use nudge_proto::{DeviceId, UserId};

    use super::*;

    #[test]
    fn a_token_of_another_secret_or_with_a_changed_bit_is_no_token() {
        let caller = Caller { user_id: UserId::random(), device_id: DeviceId::random() };
        let secret = RefreshSecret([7; 32]);
        let token = secret.make(caller, 5, 6);
        assert_eq!(secret.check(&token), Some((caller, 5, 6)));
        assert_eq!(RefreshSecret([8; 32]).check(&token), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(secret.check(&URL_SAFE_NO_PAD.encode(&bytes)), None);
            bytes[at] ^= 1;
        }
    }
}
