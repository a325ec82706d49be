//! The order of a device's connections over two nodes and a bus that may do anything.

use std::sync::Arc;

use nudge_proto::{
    CloseCode, DeviceId, Epoch, InboxSeq, UserId,
    watch::{Down, Generation, Hold, Known},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    bus::Connection,
    store::Point,
    watch::{
        held::{Held, HeldSession, NotHeld, StreamId},
        stream::DownQueue,
    },
};

/// What may happen next; an index picks one of whatever there is then.
#[derive(Clone, Debug)]
enum Step {
    /// The device's program connects: again, or after a restart.
    Hello { hub: usize, restarted: bool },
    /// The same, to a signal node that has no watch.
    WaitingHello { hub: usize, restarted: bool },
    /// An earlier attempt of the newest run arrives late.
    OldAttempt { hub: usize },
    /// That signal node gets its watch.
    Arrive(Index),
    /// The store gives a point to a session that has none.
    Number(Index),
    /// The node hears of it, and answers.
    Answer(Index),
    /// An event arrives at the other node; sometimes it comes once more later.
    Deliver { event: Index, again: bool },
    /// An event is lost.
    Lose(Index),
    /// A node's stream breaks, and its sessions are held again through the other node; its last answers may
    /// not have been heard.
    Break { hub: usize, heard: bool },
    /// A sweep.
    Sweep { hub: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let hub = || 0..2_usize;
    prop_oneof![
        4 => (hub(), any::<bool>()).prop_map(|(hub, restarted)| Step::Hello { hub, restarted }),
        1 => (hub(), any::<bool>()).prop_map(|(hub, restarted)| Step::WaitingHello { hub, restarted }),
        1 => hub().prop_map(|hub| Step::OldAttempt { hub }),
        2 => any::<Index>().prop_map(Step::Arrive),
        6 => any::<Index>().prop_map(Step::Number),
        6 => any::<Index>().prop_map(Step::Answer),
        5 => (any::<Index>(), any::<bool>()).prop_map(|(event, again)| Step::Deliver { event, again }),
        1 => any::<Index>().prop_map(Step::Lose),
        1 => (hub(), any::<bool>()).prop_map(|(hub, heard)| Step::Break { hub, heard }),
        1 => hub().prop_map(|hub| Step::Sweep { hub }),
    ]
}

/// One connection of the device.
#[derive(Clone, Copy, Debug)]
struct Client {
    hub: usize,
    instance: u64,
    attempt: u32,
    /// When its hello was said, among all.
    said: usize,
    is_waiting: bool,
    /// Given by the store, and not known to the node yet.
    given: Option<Point>,
    /// Answered with it.
    answered: Option<Point>,
    end: Option<CloseCode>,
}

/// Two nodes, one store, one device.
struct World {
    user_id: UserId,
    device_id: DeviceId,
    hubs: [(Held, Arc<DownQueue>); 2],
    clients: Vec<Client>,
    /// Events on their way, each with the node that is to hear it.
    bus: Vec<(usize, Connection)>,
    points: u64,
}

/// One stream for each node; a session's key is the place of its client.
const STREAM: StreamId = 1;

impl World {
    fn new() -> Self {
        Self {
            user_id: UserId::random(),
            device_id: DeviceId::random(),
            hubs: Default::default(),
            clients: Vec::new(),
            bus: Vec::new(),
            points: 0,
        }
    }

    fn next_point(&mut self) -> Point {
        self.points += 1;
        Point { epoch: Epoch(1), generation: Generation(self.points) }
    }

    /// The one that must stay: the last run's highest attempt.
    fn newest(&self) -> Option<usize> {
        let instance = self.clients.iter().map(|client| client.instance).max()?;
        let of_run =
            self.clients.iter().enumerate().filter(|(_, client)| client.instance == instance);
        of_run.max_by_key(|(_, client)| client.attempt).map(|(at, _)| at)
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Hello { hub, restarted } => {
                let client = self.say_hello(*hub, *restarted);
                self.hold(client);
            }
            Step::WaitingHello { hub, restarted } => {
                let client = self.say_hello(*hub, *restarted);
                self.clients[client].is_waiting = true;
            }
            Step::OldAttempt { hub } => {
                if let Some(newest) = self.newest().map(|at| self.clients[at])
                    && newest.attempt > 1
                {
                    let client = self.add(*hub, newest.instance, newest.attempt - 1);
                    self.hold(client);
                }
            }
            Step::Arrive(index) => {
                if let Some(client) = self.pick(*index, |client| client.is_waiting) {
                    self.hold(client);
                }
            }
            Step::Number(index) => {
                let has_none = |client: &Client| {
                    !client.is_waiting && client.given.is_none() && client.answered.is_none()
                };
                if let Some(client) = self.pick(*index, has_none) {
                    self.clients[client].given = Some(self.next_point());
                }
            }
            Step::Answer(index) => {
                if let Some(client) = self.pick(*index, |client| client.given.is_some()) {
                    self.answer(client);
                }
            }
            Step::Deliver { event, again } => {
                if !self.bus.is_empty() {
                    let at = event.index(self.bus.len());
                    let (hub, connection) = self.bus[at];
                    if !again {
                        self.bus.swap_remove(at);
                    }
                    self.deliver(hub, connection);
                }
            }
            Step::Lose(event) => {
                if !self.bus.is_empty() {
                    self.bus.swap_remove(event.index(self.bus.len()));
                }
            }
            Step::Break { hub, heard } => self.break_stream(*hub, *heard),
            Step::Sweep { hub } => {
                let point = self.next_point();
                self.hubs[*hub].0.learn(point);
            }
        }
        self.hear();
    }

    fn say_hello(&mut self, hub: usize, restarted: bool) -> usize {
        let newest = self.newest().map(|at| self.clients[at]);
        let (instance, attempt) = match newest {
            Some(newest) if !restarted => (newest.instance, newest.attempt + 1),
            Some(newest) => (newest.instance + 1, 1),
            None => (1, 1),
        };
        self.add(hub, instance, attempt)
    }

    fn add(&mut self, hub: usize, instance: u64, attempt: u32) -> usize {
        let said = self.clients.len();
        self.clients.push(Client {
            hub,
            instance,
            attempt,
            said,
            is_waiting: false,
            given: None,
            answered: None,
            end: None,
        });
        said
    }

    fn pick(&self, index: Index, is_wanted: impl Fn(&Client) -> bool) -> Option<usize> {
        let wanted = |client: &&Client| client.end.is_none() && is_wanted(client);
        let all: Vec<_> = self.clients.iter().filter(wanted).map(|client| client.said).collect();
        (!all.is_empty()).then(|| all[index.index(all.len())])
    }

    fn hold(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let late = std::mem::take(&mut client.is_waiting);
        let known = client.answered.map(|point| Known {
            generation: point.generation,
            epoch: point.epoch,
            head: InboxSeq::ZERO,
        });
        let hold = Hold {
            session: at as u64,
            user_id: self.user_id,
            device_id: self.device_id,
            instance: client.instance,
            attempt: client.attempt,
            ticket_issued_at_s: 0,
            acked: None,
            known,
            late,
        };
        let (held, down) = &mut self.hubs[client.hub];
        let session = HeldSession::new(STREAM, Arc::clone(down), &hold);
        match held.insert(self.user_id, session) {
            Ok(()) => {}
            Err(NotHeld::Older(code)) => client.end = Some(code),
            Err(NotHeld::KeyInUse) => panic!("every client has a key of its own"),
        }
    }

    fn answer(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let (Some(point), hub) = (client.given.take(), client.hub) else { return };
        client.answered = Some(point);
        let connection = self.hubs[hub].0.settle(STREAM, at as u64, point);
        self.bus.extend(connection.map(|connection| (1 - hub, connection)));
    }

    fn deliver(&mut self, hub: usize, connection: Connection) {
        let newer = self.hubs[hub].0.meet(&connection);
        self.bus.extend(newer.map(|newer| (1 - hub, newer)));
    }

    /// What the nodes tell the clients.
    fn hear(&mut self) {
        for (_, down) in &self.hubs {
            while let Some(Some(batch)) = futures::FutureExt::now_or_never(down.next()) {
                for told in batch {
                    let Down::Displaced { session, code } = told else { panic!("{told:?}") };
                    self.clients[session as usize].end.get_or_insert(code);
                }
            }
        }
    }

    /// Every session of the node is held again through the other one; those that were not answered are as if
    /// they had waited.
    fn break_stream(&mut self, hub: usize, heard: bool) {
        self.hubs[hub].0.remove_stream(STREAM);
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if client.hub != hub || client.end.is_some() {
                continue;
            }
            client.hub = 1 - hub;
            client.given = None;
            client.answered = client.answered.filter(|_| heard);
            if !client.is_waiting {
                client.is_waiting = client.answered.is_none();
                self.hold(at);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever the order in which two nodes hear of things, and whatever the bus does.
    #[test]
    fn the_newest_connection_of_a_device_is_never_closed_for_an_older_one(steps in vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            if let Some(newest) = world.newest() {
                let client = world.clients[newest];
                prop_assert!(client.end.is_none(), "{client:?} of {:?}", world.clients);
            }
        }
    }

    #[test]
    fn when_nothing_is_lost_only_the_newest_stays(hellos in vec((0..2_usize, any::<bool>()), 1..12)) {
        let mut world = World::new();
        for (hub, restarted) in hellos {
            let client = world.say_hello(hub, restarted);
            world.hold(client);
            world.clients[client].given = Some(world.next_point());
            world.answer(client);
            while let Some((hub, connection)) = world.bus.pop() {
                world.deliver(hub, connection);
            }
            world.hear();
            let standing: Vec<_> =
                world.clients.iter().filter(|client| client.end.is_none()).map(|client| client.said).collect();
            prop_assert_eq!(standing, [client]);
        }
    }
}
