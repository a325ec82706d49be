//! Certificates: read from files, or made for development.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use nudge_fetch::durable::make_directory;
use nudge_signal::Certificates;

use crate::failure::Failure;

/// Where certificate and key come from.
#[derive(Clone, Debug)]
pub(crate) struct TlsSource {
    certificate: PathBuf,
    key: PathBuf,
}

impl TlsSource {
    /// "self-signed", or "CERT.pem,KEY.pem".
    pub(crate) fn parse(source: &str, data_dir: &Path) -> Result<Self, Failure> {
        if source == "self-signed" {
            return self_signed(data_dir);
        }
        if !source.contains(',') {
            return Err(Failure::configuration(format!(
                "--tls takes \"self-signed\" or \"CERT.pem,KEY.pem\", not {source:?}"
            )));
        }
        Self::files("tls", source)
    }

    /// "CERT.pem,KEY.pem", as the setting called `name` has it.
    pub(crate) fn files(name: &str, files: &str) -> Result<Self, Failure> {
        let (certificate, key) = files.split_once(',').ok_or_else(|| {
            Failure::configuration(format!("--{name} takes \"CERT.pem,KEY.pem\", not {files:?}"))
        })?;
        Ok(Self { certificate: certificate.into(), key: key.into() })
    }

    /// Reads both files.
    pub(crate) fn load(&self) -> Result<Arc<Certificates>, Failure> {
        let (certificate, key) = self.read()?;
        Certificates::from_pem(&certificate, &key)
            .map(Arc::new)
            .map_err(|error| Failure::configuration(format!("{}: {error}", self.name())))
    }

    /// Reads both files again; new connections get what they hold now.
    pub(crate) fn reload(&self, certificates: &Certificates) -> Result<(), Failure> {
        let (certificate, key) = self.read()?;
        certificates
            .replace_pem(&certificate, &key)
            .map_err(|error| Failure::configuration(format!("{}: {error}", self.name())))
    }

    /// The certificate's file.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The files of certificate and key.
    pub(crate) fn into_files(self) -> (PathBuf, PathBuf) {
        (self.certificate, self.key)
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let certificate = read(&self.certificate)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        check_validity(&self.certificate, &certificate, now.as_secs() as i64)?;
        Ok((certificate, read(&self.key)?))
    }

    fn name(&self) -> String {
        format!("{} and {}", self.certificate.display(), self.key.display())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::configuration(format!("cannot read {}: {error}", path.display())))
}

/// Refuses a certificate that every client would refuse; `now_s` counts from 1970.
///
/// What is no certificate at all is explained by whoever uses it.
fn check_validity(path: &Path, pem: &[u8], now_s: i64) -> Result<(), Failure> {
    let Ok((_, block)) = x509_parser::pem::parse_x509_pem(pem) else { return Ok(()) };
    let Ok(certificate) = block.parse_x509() else { return Ok(()) };
    let validity = certificate.validity();
    let path = path.display();
    if now_s > validity.not_after.timestamp() {
        return Err(Failure::configuration(format!(
            "the certificate {path} expired on {}: renew it",
            validity.not_after
        )));
    }
    if now_s < validity.not_before.timestamp() {
        return Err(Failure::configuration(format!(
            "the certificate {path} is valid from {} on: wait, or set this machine's clock",
            validity.not_before
        )));
    }
    Ok(())
}

/// Makes a certificate for this machine, once.
fn self_signed(data_dir: &Path) -> Result<TlsSource, Failure> {
    let source = TlsSource {
        certificate: data_dir.join("self-signed.pem"),
        key: data_dir.join("self-signed.key"),
    };
    if source.certificate.exists() && source.key.exists() {
        return Ok(source);
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(Failure::new)?;
    make_directory(data_dir).map_err(|error| {
        Failure::configuration(format!("cannot make {}: {error}", data_dir.display()))
    })?;
    write_private(&source.key, &made.signing_key.serialize_pem())?;
    write_private(&source.certificate, &made.cert.pem())?;
    Ok(source)
}

/// Writes a file for this user alone; it is there whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let unfinished = path.with_extension("unfinished");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| {
        Failure::configuration(format!("cannot write {}: {error}", path.display()))
    })
}
