//! A SHA-256 whose state can be stored with the offset it belongs to.

use std::fmt;

use sha2::{
    Digest, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

/// A SHA-256 that goes on after a restart where it stood.
#[derive(Clone, Default)]
pub struct RunningDigest(Sha256);

impl RunningDigest {
    /// Goes on from a stored state; `None` when it is not one.
    #[must_use]
    pub fn resume(state: &[u8]) -> Option<Self> {
        let state = SerializedState::<Sha256>::try_from(state).ok()?;
        Sha256::deserialize(&state).ok().map(Self)
    }

    /// The state, to be stored: the SHA-256 registers, the count of blocks, the unfinished block.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for RunningDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RunningDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_on_from_its_state_wherever_it_stopped() {
        let bytes: Vec<u8> = (0..300).map(|at| at as u8).collect();
        let whole: [u8; 32] = Sha256::digest(&bytes).into();
        for cut in [0, 1, 63, 64, 65, 128, 299, 300] {
            let mut first = RunningDigest::default();
            first.update(&bytes[..cut]);
            let mut second = RunningDigest::resume(&first.state()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), whole, "cut at {cut}");
        }
        assert!(RunningDigest::resume(b"no state").is_none());
    }
}
