//! Files that say who we are, and whom we trust.

use std::{fmt::Display, fs, path::Path};

use async_nats::ConnectOptions;
use nkeys::{KeyPair, KeyPairType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::InvalidNats;

/// A credentials file as `nsc` writes it, or the seed of a user's nkey.
pub(super) fn login(path: &Path) -> Result<ConnectOptions, InvalidNats> {
    let text = fs::read_to_string(path).map_err(|error| wrong(path, cannot_be_read(&error)))?;
    if text.contains("NATS USER JWT") {
        let options = ConnectOptions::with_credentials(&text);
        return options.map_err(|error| wrong(path, format!("is no credentials file: {error}")));
    }
    let seed = text.trim();
    let key = KeyPair::from_seed(seed).ok();
    if key.is_none_or(|key| key.key_pair_type() != KeyPairType::User) {
        let why = "is neither a credentials file, as nsc writes it, nor a user's nkey seed (SU..)";
        return Err(wrong(path, why.to_owned()));
    }
    Ok(ConnectOptions::with_nkey(seed.to_owned()))
}

/// One certificate, or more.
pub(super) fn certificates(path: &Path) -> Result<(), InvalidNats> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(path, cannot_be_read(&error)))?;
    if found.is_empty() {
        return Err(wrong(path, "has no certificate in PEM".to_owned()));
    }
    Ok(())
}

/// A private key.
pub(super) fn key(path: &Path) -> Result<(), InvalidNats> {
    let key = PrivateKeyDer::from_pem_file(path);
    key.map(|_| ()).map_err(|error| wrong(path, format!("has no private key in PEM: {error}")))
}

fn cannot_be_read(error: &dyn Display) -> String {
    format!("cannot be read: {error}")
}

fn wrong(path: &Path, why: String) -> InvalidNats {
    InvalidNats::File { path: path.to_owned(), why }
}
