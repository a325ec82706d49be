use std::{path::Path, time::Duration};

use nudge_client_sdk::{
    Client, ClientConfig, Conversation, ConversationId, Draft, Error, Event, Events, LinkState,
    Medium, Message, NewAccount, Sent, UpdateKind,
};
use nudge_harness::{System, system::PASSWORD};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// A device: a client, and the folder it can be opened with again.
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) folder: TempDir,
}

/// A configuration that loses no time between attempts.
pub(crate) fn config(system: &System, folder: &Path) -> ClientConfig {
    ClientConfig {
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(300),
        extra_roots_pem: system
            .certificate_pem()
            .map(|pem| pem.as_bytes().to_vec())
            .into_iter()
            .collect(),
        ..ClientConfig::new(system.url(), folder)
    }
}

/// A new device of an account that is made as needed.
pub(crate) async fn device(system: &System, handle: &str) -> Device {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(config(system, folder.path())).await.unwrap();
    let account = NewAccount {
        handle: handle.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    match client.register(account).await {
        Ok(_) => {}
        Err(Error::Refused { code, .. }) if code.as_str() == "handle_taken" => {}
        Err(error) => panic!("{error}"),
    }
    client.log_in(handle, PASSWORD).await.unwrap();
    let events = client.events();
    Device { client, events, folder }
}

impl Device {
    /// Ends the client without any farewell, and opens it again on the same folder.
    pub(crate) async fn restarted(self, system: &System) -> Self {
        let Self { client, events, folder } = self;
        drop(events);
        client.close().await;
        let client = Client::open(config(system, folder.path())).await.unwrap();
        let events = client.events();
        Self { client, events, folder }
    }

    pub(crate) async fn direct_with(&self, handle: &str) -> Conversation {
        let user = self.client.find_user(handle).await.unwrap();
        self.client.direct(user.id).await.unwrap()
    }

    /// Waits for the first event for which `pick` finds something.
    pub(crate) async fn expect<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.next().await.unwrap().expect("the client was closed");
                if let Event::Update(update) = &event {
                    self.client.confirm(update.position).await.unwrap();
                }
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("it did not happen")
    }

    pub(crate) async fn next_message(&mut self) -> Message {
        self.expect(|event| match event {
            Event::Update(update) => match update.kind {
                UpdateKind::Message(message) => Some(message),
                _ => None,
            },
            _ => None,
        })
        .await
    }

    pub(crate) async fn next_texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.next_message().await.text().unwrap().to_owned());
        }
        texts
    }

    pub(crate) async fn link_is_up(&mut self) {
        if self.client.link() != Some(LinkState::Up) {
            self.expect(|event| (event == Event::Link(LinkState::Up)).then_some(())).await;
        }
    }

    pub(crate) async fn send(&self, to: ConversationId, text: &str) -> Sent {
        let message = self.client.send_text(to, text).await.unwrap();
        timeout(PATIENCE, self.client.sent(message)).await.expect("it was not sent").unwrap()
    }

    /// Sends a file, and waits until its message is on the server.
    pub(crate) async fn send_file(&self, to: ConversationId, path: &Path) -> Sent {
        let draft = Draft::text("here it is").with_file(path);
        let message = self.client.send(to, draft).await.unwrap();
        timeout(PATIENCE, self.client.sent(message)).await.expect("it was not sent").unwrap()
    }

    /// Downloads into a new folder, and returns the bytes.
    pub(crate) async fn fetch(&self, medium: &Medium) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join(medium.safe_file_name());
        let mut download = self.client.download(medium, &target);
        let done =
            timeout(PATIENCE, download.finished()).await.expect("it did not arrive").unwrap();
        assert_eq!(done.path, target);
        std::fs::read(target).unwrap()
    }
}

/// A file of pseudo-random bytes.
pub(crate) fn file(folder: &Path, name: &str, size: usize) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes(size)).unwrap();
    path
}

pub(crate) fn bytes(size: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(size as u64);
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes);
    bytes
}

/// Waits until `is_so`; for what no event tells.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, poll).await.expect("it did not become so");
}

/// Changes the state of a client that is closed, as time or an accident would.
pub(crate) fn tamper(folder: &Path, statement: &str) {
    let script =
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let done = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(folder.join("state.db"))
        .arg(statement)
        .status()
        .unwrap();
    assert!(done.success());
}
