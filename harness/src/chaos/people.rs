//! Accounts and conversations, made while everything is well.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use nudge_client_sdk::{Client, ClientConfig, NewAccount};
use nudge_proto::{ConversationId, UserId};

use super::{App, ChaosConfig, ChaosError, Observer, Record};
use crate::{Api, Cluster, system::PASSWORD};

/// Everybody, with his two devices.
pub(super) struct People {
    pub(super) apps: Vec<Arc<App>>,
    pub(super) observers: Vec<Arc<Observer>>,
    _folder: tempfile::TempDir,
}

/// Who is with whom, by number.
struct Circles {
    direct: Vec<[usize; 2]>,
    groups: Vec<Vec<usize>>,
}

impl People {
    pub(super) async fn gather(
        cluster: &Cluster,
        config: &ChaosConfig,
        record: &Arc<Record>,
    ) -> Result<Self, ChaosError> {
        let folder = tempfile::tempdir().map_err(failed("a folder was to be made"))?;
        let people = stream::iter(0..config.people).map(|number| {
            let folder = folder.path().join(format!("person{number}"));
            person(cluster.url(), number, folder)
        });
        let people: Vec<_> = people.buffered(AT_ONCE).try_collect().await?;
        let ids: Vec<_> = people.iter().map(|person| person.id).collect();
        let mut conversations = vec![Vec::new(); people.len()];
        let circles = Circles::draw(config);
        for members in circles.direct.iter().map(<[usize; 2]>::as_slice) {
            let [one, other] = *members else { continue };
            let id = people[one].client.direct(ids[other]).await;
            let id = id.map_err(failed("a direct conversation was to be made"))?.id;
            // Until it has a message, it is its maker's alone.
            let same = people[other].client.direct(ids[one]).await;
            same.map_err(failed("a direct conversation was to be made"))?;
            take_in(record, id, members, &ids, &mut conversations);
        }
        for members in &circles.groups {
            let others: Vec<_> = members[1..].iter().map(|member| ids[*member]).collect();
            let made = people[members[0]].client.create_group("chaos", &others).await;
            let id = made.map_err(failed("a group was to be made"))?.id;
            take_in(record, id, members, &ids, &mut conversations);
        }
        let mut gathered = Self { apps: Vec::new(), observers: Vec::new(), _folder: folder };
        for (person, conversations) in people.into_iter().zip(conversations) {
            let jumps = config.observers_jump;
            let observer = Observer::new(person.id, person.api, Arc::clone(record), jumps);
            gathered.observers.push(Arc::new(observer.map_err(failed("an id was to be read"))?));
            let app = App::new(
                person.id,
                person.client,
                person.folder,
                conversations,
                Arc::clone(record),
            );
            gathered.apps.push(Arc::new(app));
        }
        Ok(gathered)
    }

    pub(super) async fn close(self) {
        for app in self.apps {
            app.close().await;
        }
    }
}

fn take_in(
    record: &Record,
    id: ConversationId,
    members: &[usize],
    ids: &[UserId],
    conversations: &mut [Vec<ConversationId>],
) {
    record.conversation(id, members.iter().map(|member| ids[*member]));
    for member in members {
        conversations[*member].push(id);
    }
}

struct Person {
    id: UserId,
    client: Client,
    folder: PathBuf,
    api: Api,
}

async fn person(url: String, number: usize, folder: PathBuf) -> Result<Person, ChaosError> {
    let handle = format!("person{number}");
    let config = ClientConfig {
        poll_interval: POLL_INTERVAL,
        retry_max: RETRY_MAX,
        ..ClientConfig::new(url.clone(), folder.join("state"))
    };
    let client = Client::open(config).await.map_err(failed("an app was to be opened"))?;
    let account = NewAccount {
        handle: handle.clone(),
        password: PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    client.register(account).await.map_err(failed("an account was to be made"))?;
    let logged_in = client.log_in(&handle, PASSWORD).await;
    let id = logged_in.map_err(failed("an app was to log in"))?.id;
    let mut api = Api::new(url).map_err(failed("a second device was to be made"))?;
    api.log_in(&handle, PASSWORD).await.map_err(failed("a second device was to be made"))?;
    Ok(Person { id, client, folder, api })
}

impl Circles {
    /// Everybody has a direct conversation with the next, and some more; groups are of all sizes up to a third.
    fn draw(config: &ChaosConfig) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let people = config.people;
        let mut direct: Vec<_> = (0..people).map(|one| [one, (one + 1) % people]).collect();
        direct.extend((0..people / 2).map(|one| [one, one + people / 2]));
        let groups = (0..people / 5).map(|_| {
            let mut members: Vec<_> = (0..people).collect();
            random.shuffle(&mut members);
            members.truncate(random.usize(3..=(people / 3).max(4)));
            members
        });
        Self { direct, groups: groups.collect() }
    }
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> ChaosError {
    move |error| ChaosError::Preparation { what, why: error.to_string() }
}

/// Accounts that are made at the same time: passwords are hashed for a while.
const AT_ONCE: usize = 8;
/// An app without a connection looks at its inbox this often.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// An app tries again at the latest after this time.
const RETRY_MAX: Duration = Duration::from_secs(5);
