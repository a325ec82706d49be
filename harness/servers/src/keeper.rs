//! Ends a server and removes its folder when the test's process is gone, however it went.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::ServerError;

/// A shell that waits for the end of its input.
///
/// Every line replaces the process that it is to kill; an empty one means that there is none. Its input
/// ends with the process that holds it, by whatever signal.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    input: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    /// Watches over the server whose files are in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self, ServerError> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::io("start a shell"))?;
        let input = Mutex::new(shell.stdin.take());
        Ok(Self { shell, input })
    }

    /// The server's process is this one now.
    pub(crate) fn keep(&self, pid: Option<u32>) {
        let line = pid.map(|pid| pid.to_string()).unwrap_or_default();
        if let Some(input) = self.input.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // A shell that is gone keeps nothing; the server then ends by `Drop` alone.
            let _ = writeln!(input, "{line}");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.shell.wait();
    }
}

/// `$0` is the folder. The signals of a terminal go to the whole group of processes; this one outlasts them.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then kill -KILL "$pid"; sleep 0.3; fi
rm -rf "$0" || { sleep 1; rm -rf "$0"; }
"#;

/// A folder for one server, which nobody else removes.
pub(crate) fn folder(name: &str) -> Result<std::path::PathBuf, ServerError> {
    let folder = tempfile::Builder::new()
        .prefix(&format!("nudge-{name}-"))
        .tempdir()
        .map_err(ServerError::io("make a folder"))?
        .keep();
    // Of several that a test starts, the one with a name in its path is found.
    fs::canonicalize(&folder).map_err(ServerError::io("make a folder"))
}
