//! Open files: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// Allows this process, and those it starts, as many open files as the system lets it; answers how many.
pub(crate) fn raise() -> Result<u64, Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|error| Failure::new(format!("cannot raise the limit of open files: {error}")))?;
    Ok(maximum.unwrap_or(u64::MAX))
}
