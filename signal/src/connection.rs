//! The driver of one connection: a transport on one side, the mailbox on the other, the session in
//! between.
//!
//! It is a hand-written future so that what it holds can be counted: while it waits it owns no buffer,
//! no timer and no channel. It makes no decisions; those are the session's.

mod linger;
mod outgoing;

use std::{
    future::Future,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use nudge_proto::{
    CloseCode, SessionId,
    frame::{ClientFrame, FrameDecoder, FrameError, Hello, ServerFrame},
    session::{Admission, ServerEffect, ServerInput, ServerSession},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{linger::Linger, outgoing::Outgoing};
use crate::{
    admission::{Answer, admit},
    alarms::Tick,
    limits::{READ_BYTES, READS_PER_POLL_MAX},
    node::{Place, Standing, now},
    seat::{Admitted, Delivery, Parked},
};

/// What carries the frames: TCP, TLS, or anything else that carries bytes in order.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// One connection, from accept to close.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    transport: T,
    session: ServerSession,
    decoder: FrameDecoder,
    /// The frame that the transport has not taken yet.
    outgoing: Option<Box<Outgoing>>,
    /// A hello that came before the node had keys to check it with.
    early_hello: Option<Box<Hello>>,
    place: Place,
    /// Set once the session has closed.
    linger: Option<Linger>,
    /// Whether the session believes that the watch is up.
    watch_is_up: bool,
    peer_is_gone: bool,
}

/// What to do when the session has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// See to it that the peer can read what was written.
    Linger,
    /// There is nobody to say anything to.
    Leave,
}

impl<T: Transport> Connection<T> {
    pub(crate) fn new(transport: T, place: Place, standing: Standing) -> Self {
        let mut session = ServerSession::new(Arc::clone(&place.node.session_limits), now());
        if standing == Standing::Above {
            session.handle(ServerInput::Refused(CloseCode::Overloaded), now());
        }
        Self {
            transport,
            session,
            decoder: FrameDecoder::default(),
            outgoing: None,
            early_hello: None,
            place,
            linger: None,
            watch_is_up: true,
            peer_is_gone: false,
        }
    }
}

impl<T: Transport> Future for Connection<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.linger.is_none() {
            match this.poll_session(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Farewell::Leave) => return Poll::Ready(()),
                Poll::Ready(Farewell::Linger) => {
                    this.linger = Some(Linger::new(&this.place.node.alarms, now()));
                }
            }
        }
        this.poll_linger(context)
    }
}

impl<T: Transport> Connection<T> {
    fn poll_session(&mut self, context: &mut Context<'_>) -> Poll<Farewell> {
        for _ in 0..READS_PER_POLL_MAX {
            let now = now();
            let delivery = self.place.seat.collect(self.place.node.link.oldest_alive());
            if delivery.abort {
                return Poll::Ready(Farewell::Leave);
            }
            self.take_mail(delivery, now);
            if self.session.poll_timeout() <= now {
                self.session.handle_timeout(now);
            }
            if let Some(farewell) = self.perform(context, now) {
                return Poll::Ready(farewell);
            }
            // A peer that does not take what it is told is not listened to.
            if self.outgoing.is_none() && self.poll_read(context, now).is_ready() {
                continue;
            }
            let deadline = self.place.node.alarms.tick_of(self.session.poll_timeout());
            if self.place.park(context, deadline) {
                return Poll::Pending;
            }
        }
        // The others get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_mail(&mut self, delivery: Delivery, now: Instant) {
        if let Some(hello) = self.early_hello.take() {
            self.admit(hello, now);
        }
        if let Some((epoch, head)) = delivery.admitted {
            let session_id = SessionId::random();
            let server_time_ms = self.place.node.clock.unix_ms();
            tracing::debug!(%session_id, identity = ?self.place.seat.identity(), "welcome");
            let admission = Admission { session_id, epoch, head, server_time_ms };
            self.session.handle(ServerInput::Admitted(admission), now);
        }
        if self.session.is_open() && self.watch_is_up != delivery.is_held {
            self.watch_is_up = delivery.is_held;
            self.session.handle(ServerInput::Watch(delivery.is_held), now);
        }
        if let Some(head) = delivery.moved_quietly {
            self.session.handle(ServerInput::MovedQuietly(head), now);
        }
        if let Some(notice) = delivery.notice {
            self.session.handle(ServerInput::Moved(notice), now);
        }
        if let Some(typing) = delivery.typing {
            self.session.handle(ServerInput::Typing(*typing), now);
        }
        if let Some((admitted, code)) = delivery.end {
            self.session.handle(end_of(admitted, code), now);
        }
        if delivery.go_away
            && let Some(go_away) = self.place.node.go_away()
        {
            self.session.handle(ServerInput::GoAway(go_away.clone()), now);
        }
    }

    /// Does what the session wants, until it wants nothing or the transport takes no more.
    fn perform(&mut self, context: &mut Context<'_>, now: Instant) -> Option<Farewell> {
        if self.outgoing.is_some() {
            self.write_on(context, now);
        }
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                ServerEffect::Admit(hello) => self.admit(hello, now),
                ServerEffect::Send(frame) => self.send(&frame, context, now),
                ServerEffect::Ack(cursor) => self.ack(cursor),
                ServerEffect::Close => return Some(self.farewell()),
            }
        }
        None
    }

    fn admit(&mut self, hello: Box<Hello>, now: Instant) {
        match admit(&self.place, &hello) {
            Answer::Asked => {}
            Answer::NoKeysYet => self.early_hello = Some(hello),
            Answer::Refused(code) => {
                if let Some(suppressed) = self.place.node.telemetry.peers.open(now) {
                    tracing::info!(?code, suppressed, "a hello was refused");
                }
                self.session.handle(ServerInput::Refused(code), now);
            }
        }
    }

    fn ack(&self, cursor: nudge_proto::Cursor) {
        let Place { node, seat } = &self.place;
        seat.keep_ack(cursor.seq);
        if let Some(identity) = seat.identity() {
            node.link.ack(identity.user_id, identity.device_id, cursor);
        }
    }

    fn send(&mut self, frame: &ServerFrame, context: &mut Context<'_>, now: Instant) {
        self.count(frame);
        let mut outgoing = Outgoing::new(frame);
        match outgoing.poll_write(&mut self.transport, context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.lose_peer(now),
            Poll::Pending => {
                self.outgoing = Some(Box::new(outgoing));
                self.session.handle(ServerInput::WriteBlocked, now);
            }
        }
    }

    /// Goes on with the frame that the transport did not take at once.
    fn write_on(&mut self, context: &mut Context<'_>, now: Instant) {
        let Some(outgoing) = &mut self.outgoing else { return };
        let Poll::Ready(written) = outgoing.poll_write(&mut self.transport, context) else {
            return;
        };
        self.outgoing = None;
        match written {
            Ok(()) => self.session.handle(ServerInput::Written, now),
            Err(_) => self.lose_peer(now),
        }
    }

    /// Ready when something was read, which may have been the end.
    fn poll_read(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<()> {
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut room);
        let read = std::task::ready!(Pin::new(&mut self.transport).poll_read(context, &mut buffer));
        match (read, buffer.filled()) {
            (Ok(()), []) if !self.decoder.is_at_boundary() => {
                self.take_bad_frame(FrameError::CutShort, now);
            }
            (Err(_), _) | (Ok(()), []) => self.lose_peer(now),
            (Ok(()), bytes) => {
                if let Err(error) = self.take_frames(bytes, now) {
                    self.take_bad_frame(error, now);
                }
            }
        }
        Poll::Ready(())
    }

    fn take_frames(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), FrameError> {
        while let Some(frame) = self.decoder.next_frame(&mut bytes, ClientFrame::BYTES_MAX)? {
            let frame = ClientFrame::decode(&frame)?;
            self.session.handle(ServerInput::Frame(frame), now);
        }
        Ok(())
    }

    fn take_bad_frame(&mut self, error: FrameError, now: Instant) {
        // Whatever it is that the peer speaks, nothing of it is kept.
        self.decoder = FrameDecoder::default();
        if let Some(suppressed) = self.place.node.telemetry.peers.open(now) {
            tracing::info!(%error, suppressed, "a peer sent what is no frame");
        }
        self.session.handle(ServerInput::BadFrame(error), now);
    }

    fn lose_peer(&mut self, now: Instant) {
        self.peer_is_gone = true;
        self.session.handle(ServerInput::PeerClosed, now);
    }

    fn count(&self, frame: &ServerFrame) {
        let telemetry = &self.place.node.telemetry;
        match frame {
            ServerFrame::Welcome(_) => telemetry.welcomes.add_one(),
            ServerFrame::Notice(notice) => {
                telemetry.noticed(notice.message_id, self.place.node.clock.unix_ms());
            }
            ServerFrame::Error { code, .. } => telemetry.error_sent(*code),
            ServerFrame::Typing(_) | ServerFrame::Pong { .. } | ServerFrame::GoAway(_) => {}
        }
    }

    fn farewell(&self) -> Farewell {
        let is_cut_short = self.outgoing.is_some();
        if is_cut_short || self.peer_is_gone { Farewell::Leave } else { Farewell::Linger }
    }

    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Place { node, seat } = &self.place;
        let Some(linger) = &mut self.linger else { return Poll::Ready(()) };
        loop {
            if seat.collect(node.link.oldest_alive()).abort {
                return Poll::Ready(());
            }
            let now = node.alarms.tick_at(now());
            if linger.poll(&mut self.transport, context, now).is_ready() {
                return Poll::Ready(());
            }
            if self.place.park(context, linger.deadline()) {
                return Poll::Pending;
            }
        }
    }
}

impl Place {
    /// Whether the task may sleep: nothing is waiting, and an alarm is set for `deadline`.
    fn park(&self, context: &Context<'_>, deadline: Tick) -> bool {
        match self.seat.park(context, deadline) {
            Parked::MailIsDue => false,
            Parked::Asleep(alarm) => {
                if let Some(tick) = alarm {
                    self.node.alarms.set(tick, self.seat.key());
                }
                true
            }
        }
    }
}

fn end_of(admitted: Admitted, code: CloseCode) -> ServerInput {
    if admitted == Admitted::No {
        ServerInput::Refused(code)
    } else if code == CloseCode::Revoked {
        ServerInput::Revoked
    } else if code == CloseCode::EpochChanged {
        ServerInput::EpochChanged
    } else {
        ServerInput::Displaced(code)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::{
        limits::{CONNECTION_BYTES_MAX, SEAT_BYTES_MAX},
        seat::Seat,
    };

    #[test]
    fn an_idle_connection_keeps_within_its_memory_budget() {
        let connection = size_of::<Connection<TcpStream>>();
        assert!(connection <= CONNECTION_BYTES_MAX, "the future has {connection} bytes");
        let seat = size_of::<Seat>();
        assert!(seat <= SEAT_BYTES_MAX, "a seat has {seat} bytes");
    }
}
