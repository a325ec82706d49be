//! The people of the story: each an account with one SDK client, as an app would have it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nudge_client_sdk::{
    Client, ClientConfig, Event, Events, Message, NewAccount, Position, Receipt, Update,
    UpdateKind, User,
};
use tokio::time::timeout;

use super::servers::Servers;
use crate::failure::Failure;

/// Whatever is waited for must come within this time; transfers have limits of their own.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Where somebody's server and state are, and how he logs in.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) url: String,
    pub(super) handle: String,
    pub(super) password: String,
    state_dir: PathBuf,
}

/// Somebody with a running app.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) client: Client,
    events: Events,
    /// Messages of this run of the app, each as often as it was told.
    pub(super) messages: Vec<Message>,
}

impl Account {
    /// Not registered yet.
    pub(super) fn new(url: String, name: &str, servers: &Servers, folder: &Path) -> Self {
        Self {
            url,
            handle: servers.handle(name),
            password: std::iter::repeat_with(fastrand::alphanumeric).take(20).collect(),
            state_dir: folder.join(format!("{name}-state")),
        }
    }

    /// Registers, and runs the app for the first time.
    pub(super) async fn register(&self, display_name: &str) -> Result<(Person, User), Failure> {
        let person = self.open().await?;
        let new = NewAccount {
            handle: self.handle.clone(),
            password: self.password.clone(),
            display_name: display_name.to_owned(),
            invite: None,
        };
        let user = person.client.register(new).await?;
        person.client.log_in(&self.handle, &self.password).await?;
        Ok((person, user))
    }

    /// Runs the app on the state that the last run left.
    pub(super) async fn open(&self) -> Result<Person, Failure> {
        let config = ClientConfig {
            client_name: "nudge demo".to_owned(),
            device_name: format!("{}'s app", self.handle),
            ..ClientConfig::new(&self.url, &self.state_dir)
        };
        let client = Client::open(config).await?;
        let events = client.events();
        Ok(Person { client, events, messages: Vec::new() })
    }
}

impl Person {
    /// The next message, not confirmed yet.
    pub(super) async fn next_message(&mut self) -> Result<(Position, Message), Failure> {
        loop {
            let Update { position, kind } = self.next_update("a message").await?;
            if let UpdateKind::Message(message) = kind {
                self.messages.push(message.clone());
                return Ok((position, message));
            }
            self.client.confirm(position).await?;
        }
    }

    /// The next receipt that says what is waited for.
    pub(super) async fn receipt(
        &mut self,
        what: &str,
        says: impl Fn(&Receipt) -> bool,
    ) -> Result<(), Failure> {
        loop {
            let Update { position, kind } = self.next_update(what).await?;
            if let UpdateKind::Message(message) = &kind {
                self.messages.push(message.clone());
            }
            self.client.confirm(position).await?;
            if let UpdateKind::Receipt(receipt) = &kind
                && says(receipt)
            {
                return Ok(());
            }
        }
    }

    async fn next_update(&mut self, what: &str) -> Result<Update, Failure> {
        let next = async {
            loop {
                match self.events.next().await? {
                    Some(Event::Update(update)) => return Ok(update),
                    Some(_) => {}
                    None => return Err(Failure::new("the client closed by itself")),
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| {
            Err(Failure::new(format!("{what} did not come within {} s", PATIENCE.as_secs())))
        })
    }
}
