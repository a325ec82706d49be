//! A world for both ends of the session: programs with a client's end, a node with servers' ends, a
//! wire between them that loses, delays and cuts, a store, and one clock that nobody waits for.
//!
//! What happens is an event with a time; the world takes the earliest, be it an event or a deadline of
//! one of the sessions, and goes on. The same seed gives the same world.

mod agenda;
mod node;
mod program;
mod store;
mod wire;

use std::time::{Duration, Instant};

use fastrand::Rng;
use nudge_proto::{
    CloseCode, Cursor, InboxSeq,
    frame::{GoAway, NoticeFlags},
    session::{ClientConfig, ClientInput, ServerInput, ServerLimits},
};

use crate::clock::{beginning, ms, s};

use self::{
    agenda::{Agenda, Event},
    node::Node,
    store::Store,
    wire::{Wire, WireId},
};
pub(crate) use program::Program;
pub(crate) use store::KEY_OVERLAP;

/// The heartbeat that programs wish for and get.
pub(crate) const HEARTBEAT: Duration = s(60);
/// The longest wait between two attempts of a program.
pub(crate) const RECONNECT_MAX: Duration = s(10);

/// More than this does not happen at one instant.
const STEPS_AT_ONCE_MAX: usize = 10_000;

pub(crate) struct World {
    pub(crate) now: Instant,
    beginning: Instant,
    /// How much has happened since the clock last moved.
    steps_at_now: usize,
    rng: Rng,
    agenda: Agenda,
    pub(crate) programs: Vec<Program>,
    wires: Vec<Wire>,
    node: Node,
    pub(crate) store: Store,
    weather: Weather,
    /// What happened, for the reader of a failure.
    log: Vec<String>,
}

/// How well things go between the parts.
#[derive(Clone, Debug)]
struct Weather {
    /// Bytes and connections take between nothing and this.
    latency_max: Duration,
    /// Until then nothing gets through; what is sent arrives afterwards.
    outage_until: Option<Instant>,
    /// Until then clients' sockets take nothing that the node writes.
    stalled_until: Option<Instant>,
    /// Every piece of bytes arrives in smaller ones.
    splits: bool,
    /// Of a hundred moves on the bus, so many are lost.
    bus_loss_percent: u32,
    /// Of a hundred moves on the bus, so many come twice.
    bus_double_percent: u32,
    /// What the watch says takes between nothing and this, each on its own: order may change.
    watch_latency_max: Duration,
    /// Whether the node hears anything from the store.
    watch_is_up: bool,
    /// Whether a session can be refreshed.
    refresh_is_up: bool,
}

impl Weather {
    const GOOD: Self = Self {
        latency_max: ms(100),
        outage_until: None,
        stalled_until: None,
        splits: false,
        bus_loss_percent: 0,
        bus_double_percent: 0,
        watch_latency_max: ms(20),
        watch_is_up: true,
        refresh_is_up: true,
    };
}

/// What somebody does to the world.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Somebody sends so many messages to the user.
    Send(u64),
    /// The device itself sends: its inbox moves without a notice to it.
    SendOwn,
    Type,
    /// The newest connection breaks after so many more bytes upward.
    CutUpward(usize),
    /// The newest connection breaks after so many more bytes downward.
    CutDownward(usize),
    /// A box on the way forgets the newest connection: nothing passes, and nobody is told.
    Freeze,
    /// The newest connection's client is told that it broke, and the node is not.
    ResetClient,
    /// What goes up the newest connection takes so long.
    SlowUpward(Duration),
    Outage(Duration),
    Stall(Duration),
    /// Latency of what is sent from now on.
    Slow(Duration),
    Split,
    BusLoss(u32),
    BusDouble(u32),
    WatchJitter(Duration),
    WatchDown,
    WatchUp,
    /// The node dies and is there again, and no client is told.
    NodeRestarts,
    GoAway {
        min_ms: u32,
        max_ms: u32,
        deadline_ms: u32,
    },
    NetworkChanged,
    /// The store is put back to a copy with so many entries less.
    Restore(u64),
    /// Tickets made so far are no longer taken after the overlap.
    RotateKeys,
    RefreshDown,
    RefreshUp,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now = beginning();
        let mut world = Self {
            now,
            beginning: now,
            steps_at_now: 0,
            rng: Rng::with_seed(seed),
            agenda: Agenda::default(),
            programs: Vec::new(),
            wires: Vec::new(),
            node: Node::new(ServerLimits {
                heartbeat_default: HEARTBEAT,
                ..ServerLimits::default()
            }),
            store: Store::new(),
            weather: Weather::GOOD,
            log: Vec::new(),
        };
        world.plan(HEARTBEAT, Event::Sweep);
        world
    }

    /// A world in which one program has started, and is not connected yet.
    pub(crate) fn with_program(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.start_program();
        world
    }

    /// A world in which one program is connected.
    pub(crate) fn connected(seed: u64) -> Self {
        let mut world = Self::with_program(seed);
        world.run(s(1));
        assert!(world.programs[0].session.is_open(), "it does not connect in good weather");
        world
    }

    /// Starts another run of the device's program; returns which it is.
    pub(crate) fn start_program(&mut self) -> usize {
        let config = ClientConfig {
            reconnect_max: RECONNECT_MAX,
            ..ClientConfig::new(self.rng.u64(..), self.rng.u64(..))
        };
        let program = self.programs.len();
        self.programs.push(Program::new(config));
        let start = ClientInput::Start { ticket: self.store.mint_ticket(), stored: None };
        self.tell_program(program, start);
        program
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until `condition` holds; returns how long that took, or panics after `limit`.
    #[track_caller]
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        what: &str,
        condition: impl Fn(&Self) -> bool,
    ) -> Duration {
        let (from, until) = (self.now, self.now + limit);
        while !condition(self) {
            assert!(self.step(until), "not within {limit:?}: {what}");
        }
        self.now - from
    }

    pub(crate) fn act(&mut self, act: &Act) {
        self.note(|| format!("--- {act:?}"));
        match *act {
            Act::Send(count) => self.send(count, NoticeFlags::MESSAGE),
            Act::SendOwn => self.send_own(),
            Act::Type => self.type_to_user(),
            Act::CutUpward(bytes) => self.newest_wire(|wire| wire.upward.cut_after = Some(bytes)),
            Act::CutDownward(bytes) => {
                self.newest_wire(|wire| wire.downward.cut_after = Some(bytes));
            }
            Act::Freeze => self.newest_wire(|wire| wire.is_frozen = true),
            Act::ResetClient => self.reset_client(),
            Act::SlowUpward(latency) => self.newest_wire(|wire| wire.upward.latency = latency),
            Act::Outage(time) => self.weather.outage_until = Some(self.now + time),
            Act::Stall(time) => self.weather.stalled_until = Some(self.now + time),
            Act::Slow(latency) => self.weather.latency_max = latency,
            Act::Split => self.weather.splits = true,
            Act::BusLoss(percent) => self.weather.bus_loss_percent = percent,
            Act::BusDouble(percent) => self.weather.bus_double_percent = percent,
            Act::WatchJitter(latency) => self.weather.watch_latency_max = latency,
            Act::WatchDown => self.set_watch(false),
            Act::WatchUp => self.set_watch(true),
            Act::NodeRestarts => self.restart_node(),
            Act::GoAway { min_ms, max_ms, deadline_ms } => self.tell_node(|| {
                ServerInput::GoAway(GoAway {
                    code: CloseCode::Draining,
                    reconnect_min_ms: min_ms,
                    reconnect_max_ms: max_ms,
                    address: Some("other:7400".to_owned()),
                    deadline_ms,
                })
            }),
            Act::NetworkChanged => self.tell_program(0, ClientInput::NetworkChanged),
            Act::Restore(entries) => self.store.restore(entries),
            Act::RotateKeys => self.store.rotate_keys(self.now),
            Act::RefreshDown => self.weather.refresh_is_up = false,
            Act::RefreshUp => self.weather.refresh_is_up = true,
        }
    }

    /// Everything gets through, what is on its way too. What was forgotten stays forgotten.
    pub(crate) fn heal(&mut self) {
        self.note(|| "--- heal".to_owned());
        self.set_watch(true);
        self.weather = Weather { splits: self.weather.splits, ..Weather::GOOD };
        let soon = self.now + self.weather.latency_max;
        self.agenda.hasten(soon);
        for wire in &mut self.wires {
            wire.upward.heal(soon, self.weather.latency_max);
            wire.downward.heal(soon, self.weather.latency_max);
        }
        self.take_blocked();
    }

    /// Whether a program's connection is whole, and its session is of the store's epoch.
    pub(crate) fn is_sound(&self, program: usize) -> bool {
        let program = &self.programs[program];
        let server = program.wire.and_then(|wire| self.node.ends.get(&wire));
        let wire = program.wire.map(|wire| &self.wires[wire.0]);
        program.session.is_open()
            && wire.is_some_and(|wire| !wire.is_frozen && !wire.is_breaking)
            && server.is_some_and(|server| server.session.is_open())
            && program.epoch == Some(self.store.epoch)
            && self.store.holder.is_some_and(|holder| Some(holder.wire) == program.wire)
    }

    /// How many connections the node has for the device.
    pub(crate) fn connections(&self) -> usize {
        self.node.ends.len()
    }

    /// What the inbox stands at.
    pub(crate) fn head(&self) -> Cursor {
        Cursor { epoch: self.store.epoch, seq: self.store.head }
    }

    /// Whether a program has everything up to `cursor`; of an empty inbox it may never have heard.
    pub(crate) fn has_stored(&self, program: usize, cursor: Cursor) -> bool {
        let stored = self.programs[program].stored.unwrap_or(Cursor::start(cursor.epoch));
        stored.epoch == cursor.epoch && stored.seq >= cursor.seq
    }

    fn step(&mut self, until: Instant) -> bool {
        let before = self.now;
        let goes_on = self.take_step(until);
        self.steps_at_now = if self.now > before { 0 } else { self.steps_at_now + 1 };
        assert!(
            self.steps_at_now < STEPS_AT_ONCE_MAX,
            "time stands still: a deadline does not fire"
        );
        goes_on
    }

    fn take_step(&mut self, until: Instant) -> bool {
        let event = self.agenda.next_at();
        let (due, timeout) = self.next_deadline();
        match event {
            Some(at) if at <= due && at <= until => {
                self.now = self.now.max(at);
                if let Some(event) = self.agenda.take() {
                    self.happen(event);
                }
            }
            _ if due <= until => {
                self.now = self.now.max(due);
                match timeout {
                    Timeout::Program(program) => self.time_out_program(program),
                    Timeout::Server(wire) => self.time_out_server(wire),
                }
            }
            _ => return false,
        }
        true
    }

    fn next_deadline(&self) -> (Instant, Timeout) {
        let programs = self.programs.iter().enumerate().filter_map(|(program, state)| {
            Some((state.session.poll_timeout()?, Timeout::Program(program)))
        });
        let servers = self.node.ends.iter().map(|(wire, server)| {
            (self.tick_after(server.session.poll_timeout()), Timeout::Server(*wire))
        });
        let never = (self.now + s(1 << 40), Timeout::Program(0));
        programs.chain(servers).min_by_key(|(at, _)| *at).unwrap_or(never)
    }

    /// A node wakes its sessions in steps of a quarter of a second.
    fn tick_after(&self, at: Instant) -> Instant {
        let tick = ms(250).as_nanos();
        let since = at.saturating_duration_since(self.beginning).as_nanos();
        self.beginning + Duration::from_nanos((since.div_ceil(tick) * tick) as u64)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connected(wire) => self.finish_connect(wire),
            Event::NotConnected(program, attempt) => self.fail_connect(program, attempt),
            Event::AtServer(wire, arrival) => self.arrive_at_server(wire, arrival),
            Event::AtClient(wire, arrival) => self.arrive_at_client(wire, arrival),
            Event::Told(wire, input) => self.tell_server(wire, *input),
            Event::Unstalled => self.take_blocked(),
            Event::Sweep => self.sweep(),
            Event::Read(program) => self.read_page(program),
            Event::Page(program, page) => self.store_page(program, page),
            Event::Refreshed(program, ticket) => self.take_refreshed(program, ticket),
        }
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.agenda.put(self.now + after, event);
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.f64())
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn newest_wire(&mut self, change: impl FnOnce(&mut Wire)) {
        if let Some(wire) = self.wires.last_mut() {
            change(wire);
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let at = self.now - self.beginning;
        self.log.push(format!("{:10.3} {}", at.as_secs_f64(), what()));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.log.len().saturating_sub(80);
            eprintln!("the last of what happened:\n{}", self.log[from..].join("\n"));
        }
    }
}

#[derive(Clone, Copy)]
enum Timeout {
    Program(usize),
    Server(WireId),
}

/// A page of an inbox, as far as these tests care.
#[derive(Clone, Copy, Debug)]
struct Page {
    through: Cursor,
    head: InboxSeq,
}
