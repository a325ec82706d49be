//! The node: a driver around each server's end, as lean as the real one's rules.

use std::{collections::BTreeMap, sync::Arc};

use nudge_proto::{
    Epoch, InboxSeq, SessionId,
    frame::{ClientFrame, FrameDecoder, ServerFrame},
    limits::NOTICE_BYTES_MAX,
    session::{Admission, ServerEffect, ServerInput, ServerLimits, ServerSession},
};
use uuid::Uuid;

use super::{
    World,
    agenda::{Arrival, Event},
    wire::{Way, WireId},
};

pub(super) struct Node {
    limits: Arc<ServerLimits>,
    pub(super) ends: BTreeMap<WireId, ServerEnd>,
    admitted: u128,
}

pub(super) struct ServerEnd {
    pub(super) session: ServerSession,
    decoder: FrameDecoder,
    /// The frame that the socket does not take; meanwhile nothing is read.
    blocked: Option<Vec<u8>>,
    unread: Vec<u8>,
}

impl Node {
    pub(super) fn new(limits: ServerLimits) -> Self {
        Self { limits: Arc::new(limits), ends: BTreeMap::new(), admitted: 0 }
    }

    pub(super) fn admission(&mut self, epoch: Epoch, head: InboxSeq) -> Admission {
        self.admitted += 1;
        let session_id = SessionId::from(Uuid::from_u128(self.admitted));
        Admission { session_id, epoch, head, server_time_ms: 0 }
    }
}

impl World {
    pub(super) fn accept(&mut self, wire: WireId) {
        let session = ServerSession::new(Arc::clone(&self.node.limits), self.now);
        let decoder = FrameDecoder::default();
        let end = ServerEnd { session, decoder, blocked: None, unread: Vec::new() };
        self.node.ends.insert(wire, end);
    }

    pub(super) fn arrive_at_server(&mut self, wire: WireId, arrival: Arrival) {
        let Some(end) = self.node.ends.get_mut(&wire) else {
            if matches!(arrival, Arrival::Bytes(_)) {
                self.reset(wire, Way::Down);
            }
            return;
        };
        match arrival {
            Arrival::Bytes(bytes) => {
                end.unread.extend_from_slice(&bytes);
                self.read_unread(wire);
            }
            Arrival::End => self.tell_server(wire, ServerInput::PeerClosed),
        }
    }

    pub(super) fn tell_server(&mut self, wire: WireId, input: ServerInput) {
        if let Some(end) = self.node.ends.get_mut(&wire) {
            end.session.handle(input, self.now);
            self.pump_server(wire);
        }
    }

    /// Says the same to every connection.
    pub(super) fn tell_node(&mut self, input: impl Fn() -> ServerInput) {
        let wires: Vec<_> = self.node.ends.keys().copied().collect();
        for wire in wires {
            self.tell_server(wire, input());
        }
    }

    pub(super) fn time_out_server(&mut self, wire: WireId) {
        if let Some(end) = self.node.ends.get_mut(&wire) {
            end.session.handle_timeout(self.now);
            self.pump_server(wire);
        }
    }

    /// Sockets that were full take what waits for them.
    pub(super) fn take_blocked(&mut self) {
        if self.is_stalled() {
            return;
        }
        let wires: Vec<_> = self.node.ends.keys().copied().collect();
        for wire in wires {
            let blocked = self.node.ends.get_mut(&wire).and_then(|end| end.blocked.take());
            if let Some(bytes) = blocked {
                self.pass(wire, Way::Down, Arrival::Bytes(bytes));
                self.tell_server(wire, ServerInput::Written);
                self.read_unread(wire);
            }
        }
    }

    /// The node is gone and back: whoever says something to it on an old connection learns that.
    pub(super) fn restart_node(&mut self) {
        self.node.ends.clear();
        self.store.holder = None;
    }

    fn read_unread(&mut self, wire: WireId) {
        let Some(end) = self.node.ends.get_mut(&wire).filter(|end| end.blocked.is_none()) else {
            return;
        };
        let unread = std::mem::take(&mut end.unread);
        let mut bytes = &unread[..];
        while let Some(frame) =
            end.decoder.next_frame(&mut bytes, ClientFrame::BYTES_MAX).expect("an honest client")
        {
            let frame = ClientFrame::decode(&frame).expect("an honest client");
            end.session.handle(ServerInput::Frame(frame), self.now);
        }
        self.pump_server(wire);
    }

    fn pump_server(&mut self, wire: WireId) {
        while let Some(effect) =
            self.node.ends.get_mut(&wire).and_then(|end| end.session.poll_effect())
        {
            match effect {
                ServerEffect::Admit(hello) => self.admit(wire, &hello),
                ServerEffect::Ack(cursor) => self.store.ack(cursor),
                ServerEffect::Send(frame) => self.write(wire, &frame),
                ServerEffect::Close => {
                    self.note(|| format!("{wire:?} closes"));
                    self.node.ends.remove(&wire);
                    self.release(wire);
                    self.pass(wire, Way::Down, Arrival::End);
                }
            }
        }
    }

    fn write(&mut self, wire: WireId, frame: &ServerFrame) {
        self.note(|| format!("{wire:?} says {frame:?}"));
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        if matches!(frame, ServerFrame::Notice(_)) {
            assert!(bytes.len() <= NOTICE_BYTES_MAX, "a notice of {} bytes", bytes.len());
        }
        if !self.is_stalled() {
            self.pass(wire, Way::Down, Arrival::Bytes(bytes));
            return;
        }
        let Some(end) = self.node.ends.get_mut(&wire) else { return };
        assert!(end.blocked.is_none(), "a frame for a socket that takes nothing: {frame:?}");
        end.blocked = Some(bytes);
        end.session.handle(ServerInput::WriteBlocked, self.now);
        if let Some(until) = self.weather.stalled_until {
            self.agenda.put(until, Event::Unstalled);
        }
    }

    fn is_stalled(&self) -> bool {
        self.weather.stalled_until.is_some_and(|until| until > self.now)
    }
}
