use std::{fs, path::PathBuf, sync::Arc};

use nudge_signal::Certificates;

use super::SystemError;

/// A certificate for the loopback, made for one system.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// What clients trust.
    pub(super) pem: String,
    /// The same, as a file.
    pub(super) path: PathBuf,
    pub(super) certificates: Arc<Certificates>,
}

impl Certificate {
    pub(super) fn make(path: PathBuf) -> Result<Self, SystemError> {
        let failed = |error: &dyn std::error::Error| SystemError::Certificate(error.to_string());
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(&path, &pem).map_err(|error| failed(&error))?;
        let certificates = Certificates::from_pem(pem.as_bytes(), key.as_bytes())
            .map_err(|error| failed(&error))?;
        Ok(Self { pem, path, certificates: Arc::new(certificates) })
    }
}
