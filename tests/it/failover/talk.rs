//! A few people in one group, each with an app that notes what it is told.

use std::{collections::BTreeSet, time::Duration};

use nudge_client_sdk::{
    Client, ClientConfig, ClientMessageId, ConversationId, Event, HistoryItem, MessageId,
    NewAccount, ResyncReason, UpdateKind,
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::PATIENCE;

const PEOPLE: usize = 4;
/// Messages of each, each time.
const MESSAGES: usize = 3;

/// The group.
pub(super) struct Talk {
    people: Vec<Person>,
    group: ConversationId,
    _folder: TempDir,
}

/// A message that is on the server, or was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    sender: usize,
    id: MessageId,
}

/// A message in an outbox.
pub(super) struct Given {
    sender: usize,
    id: ClientMessageId,
}

struct Person {
    client: Client,
    heard: watch::Receiver<Heard>,
    listening: JoinHandle<()>,
}

/// What an app was told, in this order.
#[derive(Debug, Default)]
struct Heard {
    messages: Vec<MessageId>,
    resyncs: Vec<ResyncReason>,
}

impl Talk {
    pub(super) async fn begin(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut people = Vec::new();
        let mut ids = Vec::new();
        for number in 0..PEOPLE {
            let config = ClientConfig {
                poll_interval: Duration::from_secs(2),
                retry_max: Duration::from_secs(2),
                ..ClientConfig::new(url, folder.path().join(number.to_string()))
            };
            let client = Client::open(config).await.unwrap();
            let (handle, password) = (format!("person{number}"), "a long password");
            let account = NewAccount {
                handle: handle.clone(),
                password: password.to_owned(),
                display_name: String::new(),
                invite: None,
            };
            client.register(account).await.unwrap();
            ids.push(client.log_in(&handle, password).await.unwrap().id);
            let (sender, heard) = watch::channel(Heard::default());
            let listening = tokio::spawn(listen(client.clone(), sender));
            people.push(Person { client, heard, listening });
        }
        let group = people[0].client.create_group("failover", &ids[1..]).await.unwrap().id;
        Self { people, group, _folder: folder }
    }

    /// Everybody sends some messages, and everybody else is told of them.
    pub(super) async fn everybody_says(&mut self, text: &str) -> Vec<Said> {
        let given = self.everybody_gives(text).await;
        self.arrived(given).await
    }

    /// Everybody has some messages in his outbox.
    pub(super) async fn everybody_gives(&self, text: &str) -> Vec<Given> {
        let mut given = Vec::new();
        for (sender, person) in self.people.iter().enumerate() {
            for number in 0..MESSAGES {
                let text = format!("{text} {number}");
                let id = person.client.send_text(self.group, &text).await.unwrap();
                given.push(Given { sender, id });
            }
        }
        given
    }

    /// They are sent, and everybody else is told of them.
    pub(super) async fn arrived(&mut self, given: Vec<Given>) -> Vec<Said> {
        let mut said = Vec::new();
        for Given { sender, id } in given {
            let sent = timeout(PATIENCE, self.people[sender].client.sent(id));
            let sent = sent.await.expect("a message stays in its outbox").unwrap();
            said.push(Said { sender, id: sent.message_id });
        }
        for (number, person) in self.people.iter_mut().enumerate() {
            let due = ids_of_others(&said, number);
            let has_all = |heard: &Heard| due.iter().all(|id| heard.messages.contains(id));
            let heard = timeout(PATIENCE, person.heard.wait_for(has_all)).await;
            heard.expect("a message is told to nobody").unwrap();
        }
        said
    }

    /// Everybody was told of each of these once, and of nothing else.
    pub(super) fn check_told_once(&self, said: &[Said]) {
        for (number, person) in self.people.iter().enumerate() {
            let mut told = person.heard.borrow().messages.clone();
            told.sort_unstable();
            let due: Vec<_> = ids_of_others(said, number).into_iter().collect();
            assert_eq!(told, due, "what person {number} was told");
        }
    }

    /// Everybody finds each of these once on the server, and nothing else.
    pub(super) async fn check_history(&self, said: &[Said]) {
        let due: Vec<_> =
            said.iter().map(|said| said.id).collect::<BTreeSet<_>>().into_iter().collect();
        for person in &self.people {
            let (mut there, mut before) = (Vec::new(), None);
            loop {
                let page = person.client.history(self.group, before).await.unwrap();
                there.extend(page.items.iter().filter_map(|item| match item {
                    HistoryItem::Message(message) => Some(message.id),
                    HistoryItem::Change(_) | _ => None,
                }));
                before = page.next_before;
                if before.is_none() {
                    break;
                }
            }
            there.sort_unstable();
            assert_eq!(there, due);
        }
    }

    /// Whoever was away while it began finds out when he is next told that there is something.
    pub(super) async fn everybody_knows_of_a_new_epoch(&mut self) {
        for person in &mut self.people {
            let knows = |heard: &Heard| heard.resyncs == [ResyncReason::NewEpoch];
            let knowing = timeout(PATIENCE, person.heard.wait_for(knows)).await;
            knowing.expect("an app does not know of the new epoch, or twice").unwrap();
        }
    }

    /// How often anybody was told to look at his conversations again.
    pub(super) fn resyncs(&self) -> usize {
        self.people.iter().map(|person| person.heard.borrow().resyncs.len()).sum()
    }

    pub(super) async fn close(self) {
        for person in self.people {
            person.client.close().await;
            person.listening.await.unwrap();
        }
    }
}

fn ids_of_others(said: &[Said], person: usize) -> BTreeSet<MessageId> {
    said.iter().filter(|said| said.sender != person).map(|said| said.id).collect()
}

async fn listen(client: Client, heard: watch::Sender<Heard>) {
    let mut events = client.events();
    while let Ok(Some(event)) = events.next().await {
        let Event::Update(update) = event else { continue };
        heard.send_modify(|heard| match &update.kind {
            UpdateKind::Message(message) => heard.messages.push(message.id),
            UpdateKind::Resynced(reason) => heard.resyncs.push(*reason),
            UpdateKind::Receipt(_) | UpdateKind::Change(_) | _ => {}
        });
        if client.confirm(update.position).await.is_err() {
            return;
        }
    }
}
