//! `examples/notices.py`, written from the schema alone, against the real server: the proof that the
//! wire is documented.

use std::{path::Path, process::Stdio, time::Duration};

use nudge_harness::{Api, ServerCommand, System, system::PASSWORD};
use nudge_proto::{ClientMessageId, pb::content as pb};
use reqwest::Method;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::serve::{BINARY, user};

const EXAMPLE: &str = "examples/notices.py";
/// A line must come within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The example, running.
struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(url: &str, handle: &str) -> Self {
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE))
            .args([url, handle, PASSWORD])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        match timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap() {
            Some(line) => line,
            None => panic!("the example ended: {}", self.complaint().await),
        }
    }

    /// What it says on its standard error before it ends.
    async fn complaint(&mut self) -> String {
        let mut complaint = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        timeout(PATIENCE, stderr.read_to_string(&mut complaint)).await.unwrap().unwrap();
        complaint
    }
}

#[test]
fn the_example_is_short() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE)).unwrap();
    assert!(text.lines().count() < 100, "{EXAMPLE} has {} lines", text.lines().count());
}

#[tokio::test]
async fn a_client_written_from_the_schema_hears_of_each_message_and_of_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerCommand::new(BINARY, folder.path()).start().await.unwrap();
    let (alice, bob) = (user(&server, "alice").await, user(&server, "bob").await);
    let mut example = Example::start(&server.ready().url, "bob");
    assert_eq!(example.line().await, "welcome: epoch 1, head 0, heartbeat 240 s");
    for head in 1..=3 {
        let message_id = send(&alice, &bob).await;
        let told = format!("notice: head {head}, message {message_id}, flags 1");
        assert_eq!(example.line().await, told);
    }
    assert!(server.terminate().await.unwrap().success());
    assert_eq!(example.lines.next_line().await.unwrap(), None);
    assert_eq!(example.complaint().await, "go_away 3000\n");
    assert_eq!(example.child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_client_written_from_the_schema_is_told_that_it_was_revoked() {
    let system = System::builder().start().await.unwrap();
    let bob = system.api("bob").await.unwrap();
    let mut example = Example::start(&system.url(), "bob");
    example.line().await;
    let list = bob.request(Method::GET, "/v1/devices").send().await.unwrap();
    let list: pb::DeviceList = list.json().await.unwrap();
    let other = list.devices.iter().find(|device| !device.current).unwrap();
    assert_eq!(other.name, "notices.py");
    let path = format!("/v1/devices/{}", other.id);
    bob.request(Method::DELETE, &path).send().await.unwrap().error_for_status().unwrap();
    assert!(example.complaint().await.starts_with("error 3502: this device was revoked"));
    system.shutdown().await;
}

#[tokio::test]
async fn a_client_written_from_the_schema_stays_connected_by_its_pings() {
    // A heartbeat of a second: without a ping the connection would last one and a half.
    let system = System::builder().heartbeat(Duration::from_secs(1)).start().await.unwrap();
    let (alice, bob) = (system.api("alice").await.unwrap(), system.api("bob").await.unwrap());
    let mut example = Example::start(&system.url(), "bob");
    assert_eq!(example.line().await, "welcome: epoch 1, head 0, heartbeat 1 s");
    // Also while it hears so much that it never waits for a heartbeat.
    for head in 1..=8 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let message_id = send(&alice, &bob).await;
        let told = format!("notice: head {head}, message {message_id}, flags 1");
        assert_eq!(example.line().await, told);
    }
    drop(example);
    system.shutdown().await;
}

async fn send(from: &Api, to: &Api) -> String {
    let conversation = from.direct(&to.user().id).await.unwrap();
    let id = ClientMessageId::random();
    from.send_text(&conversation.id, id, "hello").await.unwrap().message_id
}
