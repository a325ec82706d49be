//! Users who send and read all the time, whatever becomes of the server.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nudge_harness::{
    Api, History, ServerProcess,
    history::{AcknowledgedSend, Contradictions, ObservedPage, Summary},
};
use nudge_proto::{ClientMessageId, ConversationId, Cursor, DeviceId, UserId};
use reqwest::StatusCode;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::serve::user;

const USERS: [&str; 4] = ["ada", "bob", "cleo", "dan"];
/// Who is in each conversation: direct ones, and groups that overlap.
const CONVERSATIONS: [&[usize]; 6] =
    [&[0, 1], &[2, 3], &[0, 2], &[0, 1, 2], &[1, 2, 3], &[0, 1, 2, 3]];
const SENDERS_PER_USER: usize = 2;
const DEVICES_PER_USER: usize = 2;
/// A client that was not answered tries again after this time.
const RETRY_DELAY: Duration = Duration::from_millis(10);
/// A device looks at its inbox this often.
const READ_EVERY: Duration = Duration::from_millis(40);
/// Small pages, so that there are many ends of pages.
const PAGE_ENTRIES: u32 = 20;

/// Users, their conversations, and what they have seen.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Inner>);

struct Inner {
    devices: Vec<Device>,
    /// With the users that are in it.
    conversations: Vec<(String, &'static [usize])>,
    history: Mutex<History>,
    unanswered: AtomicUsize,
    lost_answers: AtomicUsize,
}

struct Device {
    api: Api,
    user_id: UserId,
    device_id: DeviceId,
    /// (epoch, through) of the last page that it stored.
    cursor: Mutex<(u64, u64)>,
}

impl Crowd {
    pub(super) async fn gather(server: &ServerProcess) -> Self {
        let mut devices = Vec::new();
        for handle in USERS {
            for _ in 0..DEVICES_PER_USER {
                let api = user(server, handle).await;
                let session = api.session();
                let start: Cursor = session.cursor.parse().unwrap();
                devices.push(Device {
                    user_id: api.user().id.parse().unwrap(),
                    device_id: session.device_id.parse().unwrap(),
                    cursor: Mutex::new((start.epoch.0, 0)),
                    api,
                });
            }
        }
        let mut history = History::default();
        let mut conversations = Vec::new();
        for members in CONVERSATIONS {
            let ids: Vec<_> =
                members.iter().map(|user| devices[user * DEVICES_PER_USER].user_id).collect();
            let api = &devices[members[0] * DEVICES_PER_USER].api;
            let others = ids[1..].iter().map(UserId::to_string);
            let made = match ids.len() {
                2 => api.direct(&ids[1].to_string()).await,
                _ => api.group("overlapping", others).await,
            };
            let made = made.unwrap();
            if let [first, second] = *members {
                // A direct conversation is its maker's alone until it has a message, or both made it.
                let (first, second) = (first * DEVICES_PER_USER, second * DEVICES_PER_USER);
                let first_id = devices[first].user_id.to_string();
                assert_eq!(devices[second].api.direct(&first_id).await.unwrap().id, made.id);
            }
            history.conversation(made.id.parse::<ConversationId>().unwrap(), ids);
            conversations.push((made.id, members));
        }
        Self(Arc::new(Inner {
            devices,
            conversations,
            history: Mutex::new(history),
            unanswered: AtomicUsize::new(0),
            lost_answers: AtomicUsize::new(0),
        }))
    }

    /// Everybody sends and reads; after `stop` each sends what it began, and the server must be there.
    pub(super) async fn work(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for device in 0..self.0.devices.len() {
            tasks.spawn(self.clone().read(device, stop.clone()));
        }
        for user in 0..USERS.len() {
            for _ in 0..SENDERS_PER_USER {
                tasks.spawn(self.clone().send(user, stop.clone()));
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Every device reads up to its inbox's head.
    pub(super) async fn read_to_the_end(&self) {
        for device in &self.0.devices {
            while self.read_page(device).await != Some(ReachedHead(true)) {}
        }
    }

    pub(super) fn verify(&self) -> Result<Summary, Contradictions> {
        self.history().verify()
    }

    /// Sends that were committed although their first answer never came.
    pub(super) fn lost_answers(&self) -> usize {
        self.0.lost_answers.load(Ordering::Relaxed)
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            answered: self.history().acknowledged_count(),
            unanswered: self.0.unanswered.load(Ordering::Relaxed),
            lost_answers: self.lost_answers(),
        }
    }

    async fn send(self, user: usize, stop: CancellationToken) {
        let inner = &self.0;
        let device = &inner.devices[user * DEVICES_PER_USER];
        let mine: Vec<_> =
            inner.conversations.iter().filter(|(_, members)| members.contains(&user)).collect();
        while !stop.is_cancelled() {
            let (conversation, _) = mine[fastrand::usize(..mine.len())];
            let id = ClientMessageId::random();
            let begun_after = self.history().acknowledged_count();
            let mut tries = 0;
            loop {
                tries += 1;
                match device.api.put_text(conversation, id, "content").await {
                    Ok((status, answer)) => {
                        let was_there = tries > 1 && status == StatusCode::OK;
                        inner.lost_answers.fetch_add(was_there.into(), Ordering::Relaxed);
                        let send =
                            AcknowledgedSend::from_answer(device.user_id, id, begun_after, &answer);
                        self.history().acknowledged(send.unwrap());
                        break;
                    }
                    Err(error) if error.is_passing() => {
                        inner.unanswered.fetch_add(1, Ordering::Relaxed);
                        sleep(RETRY_DELAY).await;
                    }
                    Err(error) => panic!("a send of {user} to {conversation} was refused: {error}"),
                }
            }
            // Some clients did not hear the answer, and ask again later.
            if fastrand::u8(..) < 64
                && let Ok(answer) = device.api.send_text(conversation, id, "content").await
            {
                let retry = AcknowledgedSend::from_answer(device.user_id, id, begun_after, &answer);
                self.history().acknowledged(retry.unwrap());
            }
        }
    }

    async fn read(self, device: usize, stop: CancellationToken) {
        let device = &self.0.devices[device];
        while !stop.is_cancelled() {
            if self.read_page(device).await == Some(ReachedHead(false)) {
                continue;
            }
            let (epoch, through) = *device.cursor.lock().unwrap();
            // Losing an ack is allowed; the next one says more.
            let _ = device.api.ack(&format!("{epoch}.{through}")).await;
            if fastrand::u8(..) < 8 {
                // The device lost its newest pages, and reads them again.
                device.cursor.lock().unwrap().1 = fastrand::u64(through / 2..=through);
            }
            sleep(READ_EVERY).await;
        }
    }

    /// `None` without an answer.
    async fn read_page(&self, device: &Device) -> Option<ReachedHead> {
        let (epoch, after) = *device.cursor.lock().unwrap();
        let asked_after = self.history().observed_count();
        let page = match device.api.inbox(&format!("{epoch}.{after}"), PAGE_ENTRIES).await {
            Ok(page) => page,
            Err(error) if error.is_passing() => {
                sleep(RETRY_DELAY).await;
                return None;
            }
            Err(error) => panic!("a page was refused: {error}"),
        };
        let seen = ObservedPage::from_answer(device.user_id, device.device_id, asked_after, &page);
        self.history().observed(seen.unwrap());
        *device.cursor.lock().unwrap() = (page.epoch, page.through);
        Some(ReachedHead(page.through >= page.head))
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.0.history.lock().unwrap()
    }
}

#[derive(PartialEq)]
struct ReachedHead(bool);

pub(super) struct Progress {
    answered: usize,
    unanswered: usize,
    lost_answers: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, unanswered, lost_answers } = self;
        write!(
            formatter,
            "{answered} answers, {unanswered} tries without one, \
             {lost_answers} of them of sends that were committed"
        )
    }
}
