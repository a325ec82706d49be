//! Everybody does everything through every node at once, and afterwards the books are right.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures::future::join_all;
use nudge_fetch::store::{
    ChangeKind, ConversationUpdate, InboxItem, Role, Send, Sent, StoreError,
    conformance::{Person, unlimited},
    postgres::FanOut,
};
use nudge_proto::{ConversationId, ConversationSeq, InboxSeq, UserId};

use super::nodes::{Nodes, seen};

const USERS: usize = 50;
const GROUPS: usize = 12;
/// What each user does, one thing after the other, however long it takes.
const ROUNDS: usize = 30;
/// Makes it last so many seconds instead; the long form is a minute.
const SECONDS_VARIABLE: &str = "NUDGE_STORM_SECONDS";

/// When it is over.
#[derive(Clone, Copy)]
enum Length {
    /// Once each user has done so many things.
    Rounds(usize),
    Lasting(Duration),
}

impl Length {
    fn chosen() -> Self {
        std::env::var(SECONDS_VARIABLE).map_or(Self::Rounds(ROUNDS), |text| {
            Self::Lasting(Duration::from_secs(text.parse().unwrap()))
        })
    }

    fn rounds(self) -> usize {
        match self {
            Self::Rounds(rounds) => rounds,
            Self::Lasting(_) => usize::MAX,
        }
    }
}

/// What the storm did, as its people remember it.
#[derive(Default)]
struct Book {
    sent: Vec<(Send, Sent)>,
    /// Sends that named a medium which nobody has.
    bad: usize,
    /// Sends to groups in which the sender was not.
    strange: usize,
}

struct Storm {
    nodes: Nodes,
    people: Vec<Person>,
    /// The first of each is an admin who stays, the second blocks and is blocked by nobody.
    groups: Vec<(ConversationId, usize)>,
    directs: Vec<(ConversationId, [usize; 2])>,
    book: Mutex<Book>,
    over: AtomicBool,
}

impl Storm {
    async fn gather(fan_out: FanOut) -> Self {
        let nodes = Nodes::start_with(fan_out).await;
        let people = nodes.people(USERS).await;
        let mut random = Rng::with_seed(7);
        let mut groups = Vec::new();
        for number in 0..GROUPS {
            let mut others = people.clone();
            random.shuffle(&mut others);
            groups.push((nodes.world.group(people[number], &others[..12]).await, number));
        }
        let mut directs = Vec::new();
        for number in 0..USERS {
            let pair = [number, (number + 7) % USERS];
            let direct = nodes.world.direct(people[pair[0]], people[pair[1]]).await;
            directs.push((direct, pair));
        }
        let (book, over) = (Mutex::default(), AtomicBool::new(false));
        Self { nodes, people, groups, directs, book, over }
    }

    /// One user does one thing after the other.
    async fn live(&self, user: usize, rounds: usize) {
        let mut random = Rng::with_seed(user as u64);
        for _ in 0..rounds {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            match random.u8(..20) {
                0..=9 => self.say(user, &mut random).await,
                10..=11 => self.repeat(&mut random).await,
                12..=13 => self.ack(user, &mut random).await,
                14..=15 => self.read(user, &mut random).await,
                16..=17 => self.change_members(user, &mut random).await,
                18 => self.rename(user, &mut random).await,
                _ => self.block(user, &mut random).await,
            }
        }
    }

    /// One in eight names a medium that nobody has: it is refused, and fails none of its neighbours.
    async fn say(&self, user: usize, random: &mut Rng) {
        let is_direct = random.bool();
        let conversation =
            if is_direct { self.directs[user].0 } else { self.groups[random.usize(..GROUPS)].0 };
        let mut send = self.nodes.world.draft(self.people[user], conversation, "hello");
        let is_bad = random.u8(..8) == 0;
        if is_bad {
            send.media.push(nudge_proto::MediumId::random());
        }
        let sent = self.nodes.node(random.usize(..)).send(send.clone()).await;
        let mut book = self.book.lock().unwrap();
        match sent {
            Ok(sent) if !is_bad => book.sent.push((send, sent.value)),
            Err(StoreError::NotFound(_)) if is_bad => book.bad += 1,
            // Nobody leaves a direct conversation.
            Err(StoreError::NotFound(_)) if !is_direct => book.strange += 1,
            other => panic!("{send:?} came to {other:?}"),
        }
    }

    /// Somebody's send once more, on any node, whatever became of him meanwhile.
    async fn repeat(&self, random: &mut Rng) {
        let (send, first) = {
            let book = self.book.lock().unwrap();
            match random.choice(&book.sent) {
                Some((send, first)) => (self.nodes.world.retry(send), *first),
                None => return,
            }
        };
        let again = self.nodes.node(random.usize(..)).send(send).await.unwrap();
        assert_eq!(again.value, Sent { created: false, ..first });
        assert!(again.moved.is_empty());
    }

    async fn ack(&self, user: usize, random: &mut Rng) {
        let head = self.nodes.world.head(self.people[user]).await;
        let seq = InboxSeq(random.u64(..=head.0));
        self.nodes.world.ack(self.people[user], seq).await.unwrap();
    }

    async fn read(&self, user: usize, random: &mut Rng) {
        let (store, now) = (self.nodes.node(random.usize(..)), self.nodes.world.now());
        let group = self.groups[random.usize(..GROUPS)].0;
        let seq = ConversationSeq(random.u64(..200));
        let read = store.mark_read(self.people[user].user_id, group, seq, now).await;
        assert!(matches!(read, Ok(_) | Err(StoreError::NotFound(_))), "{read:?}");
    }

    /// The admin who stays lets people in and out, and the others leave.
    async fn change_members(&self, user: usize, random: &mut Rng) {
        let (group, admin) = self.groups[random.usize(..GROUPS)];
        let (store, now) = (self.nodes.node(random.usize(..)), self.nodes.world.now());
        if user == admin {
            return;
        }
        let (who, admin) = (self.people[user], self.people[admin].pair());
        let changed = match random.u8(..3) {
            0 => store.remove_member(who.pair(), group, who.user_id, now).await,
            1 => store.remove_member(admin, group, who.user_id, now).await,
            _ => {
                let role = if random.bool() { Role::Admin } else { Role::Member };
                store.put_member(admin, group, who.user_id, role, now).await
            }
        };
        assert!(matches!(changed, Ok(_) | Err(StoreError::NotFound(_))), "{changed:?}");
    }

    async fn rename(&self, user: usize, random: &mut Rng) {
        let (group, _) = self.groups[random.usize(..GROUPS)];
        let (store, now) = (self.nodes.node(random.usize(..)), self.nodes.world.now());
        let update = ConversationUpdate {
            title: Some(format!("title {}", random.u16(..))),
            muted_until: Some(now),
        };
        let renamed = store.update_conversation(self.people[user].pair(), group, update, now).await;
        let refused =
            matches!(renamed, Ok(_) | Err(StoreError::NotFound(_) | StoreError::Forbidden { .. }));
        assert!(refused, "{renamed:?}");
    }

    async fn block(&self, user: usize, random: &mut Rng) {
        let other = self.directs[user].1[1];
        let store = self.nodes.node(random.usize(..));
        let pair = (self.people[user].user_id, self.people[other].user_id);
        store.set_block(pair.0, pair.1, random.bool()).await.unwrap();
    }

    /// What every node does by itself.
    async fn keep(&self, number: usize) {
        let store = self.nodes.node(number);
        while !self.over.load(Ordering::Relaxed) {
            let now = self.nodes.world.now();
            store.settle_receipts(now).await.unwrap();
            store.sweep(unlimited(), now).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// Each inbox has everything that its owner was there for, once and in the conversation's order.
    async fn check_inbox(&self, who: Person, lives: &HashMap<ConversationId, Vec<(u64, u64)>>) {
        let mut told: BTreeMap<ConversationId, Vec<u64>> = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.nodes.world.inbox(who, after).await;
            for entry in &page.entries {
                match &entry.item {
                    InboxItem::Message(message) => {
                        told.entry(message.conversation_id).or_default().push(message.seq.0);
                    }
                    InboxItem::Change(change) => {
                        told.entry(change.conversation_id).or_default().push(change.seq.0);
                    }
                    InboxItem::Receipt(_) => {}
                }
            }
            if page.through == page.head {
                break;
            }
            after = page.through.0;
        }
        for (group, intervals) in lives {
            let expected: Vec<_> =
                intervals.iter().flat_map(|(joined, left)| *joined..=*left).collect();
            assert_eq!(told.remove(group).unwrap_or_default(), expected);
            assert_eq!(seen(&self.nodes.world, who, *group).await, expected);
        }
        for numbers in told.values() {
            assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        }
    }

    /// The intervals of everybody in a group, by what its admin was told.
    async fn lives(&self, group: ConversationId, admin: usize) -> HashMap<UserId, Vec<(u64, u64)>> {
        let admin = self.people[admin];
        let head = self.nodes.world.view(admin, group).await.unwrap().head.0;
        assert_eq!(seen(&self.nodes.world, admin, group).await, (1..=head).collect::<Vec<_>>());
        let mut lives: HashMap<UserId, Vec<(u64, u64)>> = HashMap::new();
        let mut present: HashMap<UserId, u64> = HashMap::new();
        for (seq, kind) in self.changes(admin, group).await {
            match kind {
                ChangeKind::Joined(user, _) => {
                    assert_eq!(present.insert(user, seq), None);
                }
                ChangeKind::Left(user) | ChangeKind::Removed(user) => {
                    // Who was there at the beginning came with no change of his own.
                    let joined = present.remove(&user).unwrap_or(1);
                    lives.entry(user).or_default().push((joined, seq));
                }
                ChangeKind::Created | ChangeKind::Role(..) | ChangeKind::Title(_) => {}
            }
        }
        let view = self.nodes.world.view(admin, group).await.unwrap();
        for member in view.members {
            let joined = present.remove(&member.user.id).unwrap_or(1);
            lives.entry(member.user.id).or_default().push((joined, head));
        }
        assert!(present.is_empty());
        lives
    }

    async fn changes(&self, admin: Person, group: ConversationId) -> Vec<(u64, ChangeKind)> {
        let (store, mut before, mut changes) = (self.nodes.node(0), None, Vec::new());
        loop {
            let now = self.nodes.world.now();
            let page = store.history(admin.user_id, group, before, 100, now).await.unwrap();
            for item in page.items {
                if let nudge_fetch::store::HistoryItem::Change(change) = item {
                    changes.push((change.seq.0, change.kind));
                }
            }
            before = page.next_before;
            if before.is_none() {
                changes.reverse();
                return changes;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_fifty_users_on_three_nodes_leave_the_books_right_and_no_deadlock() {
    rage(FanOut::WithCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_the_books_are_right_when_inboxes_come_after_the_commit() {
    rage(FanOut::AfterCommit).await;
}

async fn rage(fan_out: FanOut) {
    let storm = Storm::gather(fan_out).await;
    let length = Length::chosen();
    let begun = Instant::now();
    let clock = async {
        if let Length::Lasting(duration) = length {
            tokio::time::sleep(duration).await;
            storm.over.store(true, Ordering::Relaxed);
        }
    };
    let lives = async {
        join_all((0..USERS).map(|user| storm.live(user, length.rounds()))).await;
        storm.over.store(true, Ordering::Relaxed);
    };
    let keepers = join_all((0..3).map(|number| storm.keep(number)));
    tokio::join!(clock, lives, keepers);
    let took = begun.elapsed();
    let mut of_users: HashMap<UserId, HashMap<ConversationId, Vec<(u64, u64)>>> = HashMap::new();
    for (group, admin) in &storm.groups {
        for (user, intervals) in storm.lives(*group, *admin).await {
            of_users.entry(user).or_default().insert(*group, intervals);
        }
    }
    for who in &storm.people {
        let lives = of_users.remove(&who.user_id).unwrap_or_default();
        storm.check_inbox(*who, &lives).await;
    }
    let book = std::mem::take(&mut *storm.book.lock().unwrap());
    let numbers: BTreeSet<_> =
        book.sent.iter().map(|(send, sent)| (send.conversation_id, sent.seq)).collect();
    assert_eq!(numbers.len(), book.sent.len(), "no number is given twice");
    let inboxes: BTreeSet<_> =
        book.sent.iter().map(|(send, sent)| (send.sender.0, sent.inbox_seq)).collect();
    assert_eq!(inboxes.len(), book.sent.len());
    let Book { sent, bad, strange } = book;
    eprintln!("{} sent, {bad} bad and {strange} strange refused, in {took:?}", sent.len());
    assert!(bad > 0 && sent.len() > bad);
    storm.nodes.end().await;
}
