//! The program under test, run to its end.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The binary that cargo built for this test.
pub(crate) const NUDGE: &str = env!("CARGO_BIN_EXE_nudge");

/// `nudge` with these arguments, and with nothing of the developer's own configuration.
pub(crate) fn nudge<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(NUDGE);
    command.args(arguments).stdin(Stdio::null());
    let is_setting = |name: &str| name.starts_with("NUDGE_") || name.starts_with("OTEL_");
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one JSON object that a command printed.
pub(crate) fn json(output: &Output) -> Value {
    let stdout = str::from_utf8(&output.stdout).unwrap();
    serde_json::from_str(stdout).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{error} in {stdout:?}; standard error: {stderr}")
    })
}
