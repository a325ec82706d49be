//! A run of the device's program: a driver around the client's end, and an app that pulls pages.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nudge_proto::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, FrameDecoder, ServerFrame},
    session::{ClientConfig, ClientEffect, ClientInput, ClientSession},
};

use super::{
    Page, World,
    agenda::{Arrival, Event},
    wire::{Way, WireId},
};
use crate::clock::{ms, s};

/// Entries of one page.
const PAGE_ENTRIES: u64 = 50;

pub(crate) struct Program {
    pub(crate) session: ClientSession,
    decoder: FrameDecoder,
    pub(super) wire: Option<WireId>,
    /// A connection on its way.
    connecting: Option<WireId>,
    /// The epoch of the last welcome.
    pub(super) epoch: Option<Epoch>,
    /// Durably stored up to here.
    pub(crate) stored: Option<Cursor>,
    is_pulling: bool,
    pulls_again: bool,
    /// What hellos and acks said last.
    said: Option<Cursor>,
    /// Every attempt: when, and where to.
    pub(crate) attempts: Vec<(Instant, Option<String>)>,
    /// The waits that were announced.
    pub(crate) waits: Vec<Duration>,
    pub(crate) renewals: usize,
    pub(crate) welcomes: usize,
    pub(crate) polls: usize,
    pub(crate) notices: usize,
    pub(crate) typing_heard: usize,
    pub(crate) ended: Option<CloseCode>,
}

impl Program {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self {
            session: ClientSession::new(config),
            decoder: FrameDecoder::default(),
            wire: None,
            connecting: None,
            epoch: None,
            stored: None,
            is_pulling: false,
            pulls_again: false,
            said: None,
            attempts: Vec::new(),
            waits: Vec::new(),
            renewals: 0,
            welcomes: 0,
            polls: 0,
            notices: 0,
            typing_heard: 0,
            ended: None,
        }
    }

    /// What a program says is stored never moves back.
    fn check_said(&mut self, cursor: Cursor) {
        if let Some(said) = self.said.filter(|said| said.epoch == cursor.epoch) {
            assert!(cursor.seq >= said.seq, "the cursor moved back from {said} to {cursor}");
        }
        self.said = Some(cursor);
    }
}

impl World {
    pub(crate) fn tell_program(&mut self, program: usize, input: ClientInput) {
        self.programs[program].session.handle(input, self.now);
        self.pump_program(program);
    }

    pub(super) fn time_out_program(&mut self, program: usize) {
        self.programs[program].session.handle_timeout(self.now);
        self.pump_program(program);
    }

    pub(super) fn finish_connect(&mut self, wire: WireId) {
        let program = self.wires[wire.0].program;
        if self.programs[program].connecting != Some(wire) {
            return;
        }
        self.accept(wire);
        let state = &mut self.programs[program];
        state.connecting = None;
        state.wire = Some(wire);
        state.decoder = FrameDecoder::default();
        self.tell_program(program, ClientInput::Connected);
    }

    pub(super) fn fail_connect(&mut self, program: usize, attempt: u32) {
        let state = &mut self.programs[program];
        if state.connecting.is_some() && state.attempts.len() == attempt as usize {
            state.connecting = None;
            self.tell_program(program, ClientInput::Disconnected);
        }
    }

    pub(super) fn arrive_at_client(&mut self, wire: WireId, arrival: Arrival) {
        let program = self.wires[wire.0].program;
        if self.programs[program].wire != Some(wire) {
            return;
        }
        match arrival {
            Arrival::Bytes(bytes) => self.hear(program, wire, &bytes),
            Arrival::End => {
                self.note(|| format!("{wire:?} ended"));
                self.programs[program].wire = None;
                self.tell_program(program, ClientInput::Disconnected);
            }
        }
    }

    fn hear(&mut self, program: usize, wire: WireId, mut bytes: &[u8]) {
        // What follows on a connection that was closed meanwhile is not looked at.
        while self.programs[program].wire == Some(wire) {
            let decoder = &mut self.programs[program].decoder;
            let frame = decoder.next_frame(&mut bytes, ServerFrame::BYTES_MAX).expect("a server");
            let Some(frame) = frame else { return };
            let frame = ServerFrame::decode(&frame).expect("a server");
            self.programs[program].notices += usize::from(matches!(frame, ServerFrame::Notice(_)));
            self.tell_program(program, ClientInput::Frame(frame));
        }
    }

    fn pump_program(&mut self, program: usize) {
        while let Some(effect) = self.programs[program].session.poll_effect() {
            self.note(|| format!("program {program}: {effect:?}"));
            self.perform(program, effect);
        }
    }

    fn perform(&mut self, program: usize, effect: ClientEffect) {
        let now = self.now;
        match effect {
            ClientEffect::Connect { address } => self.connect(program, address),
            ClientEffect::Send(frame) => self.say(program, &frame),
            ClientEffect::Disconnect => {
                let state = &mut self.programs[program];
                state.connecting = None;
                if let Some(wire) = state.wire.take() {
                    self.pass(wire, Way::Up, Arrival::End);
                }
            }
            ClientEffect::Welcomed(welcome) => {
                let state = &mut self.programs[program];
                state.welcomes += 1;
                state.epoch = Some(welcome.epoch);
            }
            ClientEffect::Behind { .. } => self.pull(program),
            ClientEffect::PollInbox => {
                self.programs[program].polls += 1;
                self.pull(program);
            }
            ClientEffect::Typing(_) => self.programs[program].typing_heard += 1,
            ClientEffect::RenewTicket => {
                self.programs[program].renewals += 1;
                let ticket = self.store.mint_ticket();
                let ticket = Some(ticket).filter(|_| self.weather.refresh_is_up);
                self.plan(ms(50), Event::Refreshed(program, ticket));
            }
            ClientEffect::Lost { retry_in } => {
                let state = &mut self.programs[program];
                state.waits.push(retry_in);
                assert_eq!(state.session.poll_timeout(), Some(now + retry_in));
            }
            ClientEffect::Ended(code) => self.programs[program].ended = Some(code),
        }
    }

    fn connect(&mut self, program: usize, address: Option<String>) {
        let wire = self.lay_wire(program);
        let state = &mut self.programs[program];
        assert!(state.wire.is_none() && state.connecting.is_none(), "a second connection");
        state.attempts.push((self.now, address));
        state.connecting = Some(wire);
        let attempt = state.attempts.len() as u32;
        self.plan_connect(wire, attempt);
    }

    fn say(&mut self, program: usize, frame: &ClientFrame) {
        let state = &mut self.programs[program];
        match frame {
            ClientFrame::Hello(hello) => {
                assert_eq!(hello.attempt as usize, state.attempts.len());
                if let Some(cursor) = hello.cursor {
                    state.check_said(cursor);
                }
            }
            ClientFrame::Ack(cursor) => state.check_said(*cursor),
            ClientFrame::Ping => {}
        }
        let Some(wire) = state.wire else { panic!("{frame:?} without a connection") };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.pass(wire, Way::Up, Arrival::Bytes(bytes));
    }

    fn pull(&mut self, program: usize) {
        let state = &mut self.programs[program];
        if std::mem::replace(&mut state.is_pulling, true) {
            state.pulls_again = true;
        } else {
            let longest = self.weather.latency_max;
            let latency = self.up_to(longest);
            self.plan(latency, Event::Read(program));
        }
    }

    /// The page as it is when it is read: it may be old when it arrives.
    pub(super) fn read_page(&mut self, program: usize) {
        let is_out = self.weather.outage_until.is_some_and(|until| until > self.now);
        let longest = self.weather.latency_max;
        let latency = if is_out { s(1) } else { self.up_to(longest) };
        let epoch = self.store.epoch;
        let stored = self.programs[program].stored.filter(|stored| stored.epoch == epoch);
        let after = stored.map_or(InboxSeq::ZERO, |stored| stored.seq);
        let head = self.store.head;
        let seq = InboxSeq(after.0 + PAGE_ENTRIES).min(head).max(after);
        let page = Page { through: Cursor { epoch, seq }, head };
        self.plan(latency, Event::Page(program, Some(page).filter(|_| !is_out)));
    }

    pub(super) fn store_page(&mut self, program: usize, page: Option<Page>) {
        let state = &mut self.programs[program];
        state.is_pulling = false;
        let Some(Page { through, head }) = page else { return self.pull(program) };
        state.stored = Some(through);
        let pulls_again = std::mem::take(&mut state.pulls_again) || through.seq < head;
        self.tell_program(program, ClientInput::Stored(through));
        if pulls_again {
            self.pull(program);
        }
    }

    pub(super) fn take_refreshed(&mut self, program: usize, ticket: Option<Bytes>) {
        let input = ticket.map_or(ClientInput::TicketNotRenewed, ClientInput::TicketRenewed);
        self.tell_program(program, input);
    }
}
