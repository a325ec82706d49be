//! A server as a process of its own, and people with terminals.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use nudge_harness::{ServerCommand, ServerProcess};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::program::{NUDGE, nudge, text};

/// Whatever is waited for must come within this time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const PASSWORD: &str = "correct horse";

/// A server, and the folder in which everything is.
pub(super) struct Stage {
    pub(super) server: ServerProcess,
    folder: TempDir,
}

impl Stage {
    /// With an account, and a profile of the same name, for each handle.
    pub(super) async fn with(handles: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ServerCommand::new(NUDGE, folder.path().join("data")).start().await.unwrap();
        let stage = Self { server, folder };
        for handle in handles {
            stage.told(handle, &["register", handle, "--server", stage.url()]).await;
        }
        stage
    }

    pub(super) fn url(&self) -> &str {
        &self.server.ready().url
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the stage's own.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `nudge` with a profile, and its password at hand.
    pub(super) fn command(&self, profile: &str, arguments: &[&str]) -> Command {
        let state = self.path("state");
        let place = ["--state-dir", text(&state), "--profile", profile];
        let mut command = nudge(arguments.iter().copied().chain(place));
        command.env("NUDGE_PASSWORD", PASSWORD);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, profile: &str, arguments: &[&str]) -> Output {
        let output = self.command(profile, arguments).output();
        timeout(PATIENCE, output).await.expect("the command goes on and on").unwrap()
    }

    /// Runs it with --json; what it printed.
    pub(super) async fn told(&self, profile: &str, arguments: &[&str]) -> Vec<Value> {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.run(profile, &arguments).await;
        let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs it, expecting it to fail; what it said, in one line.
    pub(super) async fn refused(&self, profile: &str, arguments: &[&str]) -> String {
        let output = self.run(profile, arguments).await;
        let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
        assert!(!output.status.success(), "{arguments:?} went well: {stdout}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!stderr.contains(PASSWORD), "{stderr}");
        stderr
    }

    /// Starts `nudge listen --json`.
    pub(super) fn listen(&self, profile: &str, arguments: &[&str]) -> Listening {
        let arguments: Vec<_> = ["listen", "--json"].iter().chain(arguments).copied().collect();
        let mut child = self.command(profile, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Listening { child, lines }
    }
}

/// A listener in another terminal.
pub(super) struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listening {
    /// Sends it a signal, and waits for its end.
    pub(super) async fn end_by(mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        timeout(PATIENCE, self.child.wait()).await.expect("it goes on and on").unwrap()
    }

    /// The next thing of this type that is printed.
    pub(super) async fn next(&mut self, wanted: &str) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line());
            let line = line.await.expect("nothing is printed").unwrap().expect("the output ended");
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["type"] == wanted {
                return value;
            }
        }
    }
}

pub(super) fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes that no compression and no luck can guess.
pub(super) fn noise(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(size as u64);
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}

/// The names in a folder that are not hidden, sorted; and how many are hidden.
pub(super) fn names(folder: &Path) -> (Vec<String>, usize) {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (hidden, mut shown): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with('.'));
    shown.sort();
    (shown, hidden.len())
}
