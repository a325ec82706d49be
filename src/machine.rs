//! What the process takes of the machine.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    system::uname,
    thread::disable_transparent_huge_pages,
};

use crate::failure::Failure;

/// Allows this process, and those it starts, as many open files as the system lets it, because every
/// connection is one; answers how many.
pub(crate) fn raise_open_files() -> Result<u64, Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|error| Failure::new(format!("cannot raise the limit of open files: {error}")))?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// How people know a listener of this machine: "HOST:PORT", or the host alone while the port is any.
pub(crate) fn host_name(port: u16) -> String {
    let host = uname().nodename().to_string_lossy().into_owned();
    if port == 0 { host } else { format!("{host}:{port}") }
}

/// Makes ready to serve many: the limit of open files, and pages of 4 KiB.
///
/// A huge page is resident as a whole once a byte of it is used, so that what connections of the past
/// left behind would stay. None of it is a reason not to serve.
pub(crate) fn make_room() {
    if let Err(failure) = raise_open_files() {
        tracing::warn!(%failure, "fewer connections will find room");
    }
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on: more memory will be resident");
    }
}
