//! Both ends and the bytes between them.

use std::time::{Duration, Instant};

use nudge_proto::{
    frame::{ClientFrame, FrameDecoder, FrameError, ServerFrame},
    session::{ClientInput, ServerInput},
};

use crate::{
    client::{WatchedClient, Wish},
    server::WatchedServer,
    steps::Step,
};

/// One program over all its connections.
#[derive(Debug)]
pub struct Conversation {
    now: Instant,
    client: WatchedClient,
    /// Of the newest connection.
    server: Option<WatchedServer>,
    upward: Pipe,
    downward: Pipe,
}

#[derive(Debug, Default)]
struct Pipe {
    bytes: Vec<u8>,
    decoder: FrameDecoder,
}

impl Conversation {
    pub fn new() -> Self {
        Self {
            now: Instant::now(),
            client: WatchedClient::new(1),
            server: None,
            upward: Pipe::default(),
            downward: Pipe::default(),
        }
    }

    pub fn take(&mut self, step: Step) {
        match step {
            Step::Pass(milliseconds) => self.pass(Duration::from_millis(milliseconds.into())),
            Step::Deadline => self.pass_to_deadline(),
            Step::Connect => self.connect(),
            Step::Break => {
                self.tell_server(ServerInput::PeerClosed);
                self.tell_client(ClientInput::Disconnected);
            }
            Step::BreakClient => self.tell_client(ClientInput::Disconnected),
            Step::BreakServer => self.tell_server(ServerInput::PeerClosed),
            Step::Upward(bytes) => self.deliver_upward(bytes.into()),
            Step::Downward(bytes) => self.deliver_downward(bytes.into()),
            Step::ForgeUpward(bytes) => self.upward.bytes.extend_from_slice(&bytes),
            Step::ForgeDownward(bytes) => self.downward.bytes.extend_from_slice(&bytes),
            Step::Client(step) => self.tell_client(step.input()),
            Step::Server(step) => self.tell_server(step.input()),
        }
    }

    /// Nothing more happens: the connection is over after its last two deadlines.
    pub fn end(mut self) {
        let Some(server) = &mut self.server else { return };
        for _ in 0..2 {
            if let Some(deadline) = server.deadline() {
                self.now = self.now.max(deadline);
                server.time_out(self.now);
            }
        }
        assert!(server.is_closed(), "it stays for ever: {server:?}");
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let wishes = self.client.time_out(self.now);
        self.fulfil(wishes);
        if let Some(server) = &mut self.server {
            let bytes = server.time_out(self.now);
            self.downward.bytes.extend_from_slice(&bytes);
        }
    }

    fn pass_to_deadline(&mut self) {
        let server = self.server.as_ref().and_then(WatchedServer::deadline);
        let deadline = self.client.deadline().into_iter().chain(server).min();
        if let Some(deadline) = deadline {
            self.pass(deadline.saturating_duration_since(self.now));
        }
    }

    fn connect(&mut self) {
        if self.client.is_opening() {
            self.server = Some(WatchedServer::new(self.now));
            self.upward = Pipe::default();
            self.downward = Pipe::default();
            self.tell_client(ClientInput::Connected);
        }
    }

    fn tell_client(&mut self, input: ClientInput) {
        let wishes = self.client.handle(input, self.now);
        self.fulfil(wishes);
    }

    fn tell_server(&mut self, input: ServerInput) {
        if let Some(server) = &mut self.server {
            let bytes = server.handle(input, self.now);
            self.downward.bytes.extend_from_slice(&bytes);
        }
    }

    fn fulfil(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Say(bytes) => self.upward.bytes.extend_from_slice(&bytes),
                Wish::Connect | Wish::Disconnect => {}
            }
        }
    }

    fn deliver_upward(&mut self, bytes: usize) {
        // A peer that does not take what it is told is not listened to.
        if self.server.as_ref().is_none_or(WatchedServer::is_blocked) {
            return;
        }
        for frame in self.upward.take(bytes, ClientFrame::BYTES_MAX) {
            let input = match frame.and_then(|frame| ClientFrame::decode(&frame)) {
                Ok(frame) => ServerInput::Frame(frame),
                Err(error) => ServerInput::BadFrame(error),
            };
            self.tell_server(input);
        }
    }

    fn deliver_downward(&mut self, bytes: usize) {
        for frame in self.downward.take(bytes, ServerFrame::BYTES_MAX) {
            let input = match frame.and_then(|frame| ServerFrame::decode(&frame)) {
                Ok(frame) => ClientInput::Frame(frame),
                Err(error) => ClientInput::BadFrame(error),
            };
            self.tell_client(input);
        }
    }
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipe {
    /// The frames that `length` more bytes complete, up to the first that is none.
    fn take(&mut self, length: usize, limit: usize) -> Vec<Result<Vec<u8>, FrameError>> {
        let rest = self.bytes.split_off(length.min(self.bytes.len()));
        let piece = std::mem::replace(&mut self.bytes, rest);
        let mut bytes = &piece[..];
        let mut frames = Vec::new();
        loop {
            match self.decoder.next_frame(&mut bytes, limit) {
                Ok(Some(frame)) => frames.push(Ok(frame)),
                Ok(None) => return frames,
                Err(error) => {
                    self.decoder = FrameDecoder::default();
                    frames.push(Err(error));
                    return frames;
                }
            }
        }
    }
}
