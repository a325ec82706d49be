//! What the node keeps for one session outside of its task: the mailbox, and what the watch has to be
//! told again after a break.
//!
//! Everything posted merges, so a session whose client reads nothing costs what an idle one costs.

use std::{
    sync::OnceLock,
    task::{Context, Waker},
};

use nudge_proto::{
    CloseCode, Cursor, DeviceId, Epoch, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags, Typing},
    watch::{Generation, Hold, Known, SessionKey},
};
use parking_lot::Mutex;

use crate::alarms::Tick;

/// Numbers the watch streams of this node, from 1 on; 0 is before the first.
pub(crate) type StreamNumber = u32;

/// One session's place on this node.
#[derive(Debug)]
pub(crate) struct Seat {
    key: SessionKey,
    /// Known from the hello on.
    identity: OnceLock<Identity>,
    mail: Mutex<Mail>,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) user_id: UserId,
    pub(crate) device_id: DeviceId,
    pub(crate) instance: u64,
    pub(crate) attempt: u32,
    /// Seconds since 1970; 32 bits last until 2106.
    pub(crate) ticket_issued_at_s: u32,
}

#[derive(Debug, Default)]
struct Mail {
    /// Of the connection's task, while it sleeps.
    waker: Option<Waker>,
    generation: Generation,
    /// Of `head` and `acked`: the client's until the session is held, the store's from then on.
    epoch: Epoch,
    /// The highest head told for the user.
    head: InboxSeq,
    /// The device's highest ack; zero for none.
    acked: InboxSeq,
    typing: Option<Box<Typing>>,
    /// With `flags`, of the pending notice; its head is `head`.
    message_id: Option<MessageId>,
    flags: NoticeFlags,
    /// Something is waiting for the connection's task.
    is_due: bool,
    admission: Admission,
    moved: Moved,
    go_away: bool,
    /// The connection is to be dropped.
    abort: bool,
    /// The connection is gone.
    is_gone: bool,
    end: Option<CloseCode>,
    /// The newest stream on which the session was answered.
    held_in: StreamNumber,
    /// The newest stream that the session was presented on.
    presented_in: StreamNumber,
    /// When the connection's task wants to be woken.
    deadline: Tick,
    /// The earliest alarm that is set.
    alarm: Tick,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Admission {
    #[default]
    Awaited,
    /// Answered, and not yet told to the session.
    Due,
    Told,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Moved {
    #[default]
    No,
    /// By the device itself.
    Quietly,
    Yes,
}

/// What was waiting for a connection's task.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// The session's hello was accepted.
    pub(crate) admitted: Option<(Epoch, InboxSeq)>,
    /// The inbox moved.
    pub(crate) notice: Option<Notice>,
    /// The inbox moved by the device's own doing.
    pub(crate) moved_quietly: Option<InboxSeq>,
    /// Somebody is typing.
    pub(crate) typing: Option<Box<Typing>>,
    /// The session is over; before its admission, it was refused.
    pub(crate) end: Option<(Admitted, CloseCode)>,
    /// The node wants the client to go elsewhere.
    pub(crate) go_away: bool,
    /// The connection is to be dropped without a word.
    pub(crate) abort: bool,
    /// The session is known on a stream that is still alive.
    pub(crate) is_held: bool,
}

/// Whether a session had been welcomed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    Yes,
    No,
}

/// Whether a connection's task may sleep.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// Something is waiting already.
    MailIsDue,
    /// It will be woken; an alarm has to be set first, if there is one here.
    Asleep(Option<Tick>),
}

impl Seat {
    pub(crate) fn new(key: SessionKey) -> Self {
        let mail = Mail { alarm: Tick::MAX, ..Mail::default() };
        Self { key, identity: OnceLock::new(), mail: Mutex::new(mail) }
    }

    pub(crate) const fn key(&self) -> SessionKey {
        self.key
    }

    /// Whose it is, from the hello on.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Says whose it is, with the hello's cursor. Only the first call counts.
    pub(crate) fn identify(&self, identity: Identity, cursor: Option<Cursor>) {
        if self.identity.set(identity).is_ok()
            && let Some(cursor) = cursor
        {
            let mut mail = self.mail.lock();
            mail.epoch = cursor.epoch;
            mail.acked = cursor.seq;
        }
    }
}

/// What the connection's task does.
impl Seat {
    /// Takes everything that is waiting; streams before `oldest_alive` are gone.
    pub(crate) fn collect(&self, oldest_alive: StreamNumber) -> Delivery {
        let mut mail = self.mail.lock();
        Delivery { is_held: mail.held_in >= oldest_alive, ..mail.collect() }
    }

    /// Whether the session is known on `stream` or a later one.
    pub(crate) fn is_held_since(&self, stream: StreamNumber) -> bool {
        self.mail.lock().held_in >= stream
    }

    /// Whether the session is known, but not on `stream` yet.
    pub(crate) fn is_held_only_before(&self, stream: StreamNumber) -> bool {
        let mail = self.mail.lock();
        mail.held_in > 0 && mail.held_in < stream && mail.end.is_none()
    }

    /// Prepares for sleep until mail comes or `deadline` passes.
    pub(crate) fn park(&self, context: &Context<'_>, deadline: Tick) -> Parked {
        let mut mail = self.mail.lock();
        if mail.is_due {
            return Parked::MailIsDue;
        }
        match &mut mail.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        mail.deadline = deadline;
        if mail.alarm <= deadline {
            return Parked::Asleep(None);
        }
        mail.alarm = deadline;
        Parked::Asleep(Some(deadline))
    }

    /// Keeps an ack for the next time the session is presented. The epoch is the session's.
    pub(crate) fn keep_ack(&self, seq: InboxSeq) {
        let mut mail = self.mail.lock();
        mail.acked = mail.acked.max(seq);
    }

    /// Marks the connection as gone; returns the newest stream that it was presented on.
    pub(crate) fn leave(&self) -> StreamNumber {
        let mut mail = self.mail.lock();
        mail.is_gone = true;
        mail.waker = None;
        mail.presented_in
    }
}

/// What others do to the session.
impl Seat {
    /// The alarm set for `tick` went off: wakes the task, or returns when to set the next alarm.
    pub(crate) fn ring(&self, tick: Tick) -> Option<Tick> {
        let mut mail = self.mail.lock();
        if mail.alarm > tick {
            // A left-over: since it was set an earlier one went off and set a later one.
            return None;
        }
        if mail.deadline > tick {
            mail.alarm = mail.deadline;
            return Some(mail.deadline);
        }
        mail.alarm = Tick::MAX;
        let waker = mail.waker.take();
        drop(mail);
        wake(waker);
        None
    }

    /// Has the task look again at what it waits for.
    pub(crate) fn nudge(&self) {
        self.post(|_| true);
    }

    /// Has the connection dropped without a word.
    pub(crate) fn abort(&self) {
        self.post(|mail| {
            mail.abort = true;
            true
        });
    }

    /// The watch answered on `stream` that the session stands.
    pub(crate) fn hold(
        &self,
        stream: StreamNumber,
        generation: Generation,
        epoch: Epoch,
        head: InboxSeq,
    ) {
        self.post(|mail| {
            mail.held_in = mail.held_in.max(stream);
            mail.generation = mail.generation.max(generation);
            if mail.admission == Admission::Awaited {
                if mail.epoch != epoch {
                    mail.acked = InboxSeq::ZERO;
                }
                mail.epoch = epoch;
                mail.head = mail.head.max(head);
                mail.admission = Admission::Due;
                true
            } else if mail.epoch != epoch {
                mail.end(CloseCode::EpochChanged)
            } else {
                mail.moved(Notice { head, ..Notice::default() })
            }
        });
    }

    /// The user's inbox moved.
    pub(crate) fn notify(&self, notice: Notice) {
        self.post(|mail| mail.moved(notice));
    }

    /// The user's inbox moved by this device's own doing.
    pub(crate) fn advance(&self, head: InboxSeq) {
        self.post(|mail| {
            let is_news = head > mail.head;
            mail.head = mail.head.max(head);
            if is_news && mail.moved == Moved::No {
                mail.moved = Moved::Quietly;
            }
            is_news
        });
    }

    /// Somebody is typing; the newest stands.
    pub(crate) fn show_typing(&self, typing: Typing) {
        self.post(|mail| {
            mail.typing = Some(Box::new(typing));
            true
        });
    }

    /// The session is over; the first reason stands.
    pub(crate) fn end(&self, code: CloseCode) {
        self.post(|mail| mail.end(code));
    }

    /// The store has the epoch `epoch`: a session of another one is over.
    pub(crate) fn end_unless_of(&self, epoch: Epoch) {
        self.post(|mail| {
            mail.admission != Admission::Awaited
                && mail.epoch != epoch
                && mail.end(CloseCode::EpochChanged)
        });
    }

    /// The node wants the client to go elsewhere.
    pub(crate) fn send_away(&self) {
        self.post(|mail| {
            mail.go_away = true;
            true
        });
    }

    /// What the watch has to be told on `stream`, unless it was already or nobody is there.
    pub(crate) fn present(&self, stream: StreamNumber) -> Option<Hold> {
        let identity = self.identity.get()?;
        let mut mail = self.mail.lock();
        if mail.is_gone || mail.presented_in >= stream {
            return None;
        }
        mail.presented_in = stream;
        Some(mail.to_hold(self.key, identity))
    }

    /// Applies `change`, and wakes the task if it says that something is due.
    fn post(&self, change: impl FnOnce(&mut Mail) -> bool) {
        let mut mail = self.mail.lock();
        if mail.is_gone || !change(&mut mail) {
            return;
        }
        mail.is_due = true;
        let waker = mail.waker.take();
        // Waking with the lock held would let the task run into it.
        drop(mail);
        wake(waker);
    }
}

impl Mail {
    fn collect(&mut self) -> Delivery {
        if !std::mem::take(&mut self.is_due) {
            return Delivery::default();
        }
        let mut delivery = Delivery {
            typing: self.typing.take(),
            go_away: std::mem::take(&mut self.go_away),
            abort: self.abort,
            ..Delivery::default()
        };
        if self.admission == Admission::Due {
            self.admission = Admission::Told;
            delivery.admitted = Some((self.epoch, self.head));
        }
        delivery.end = self.end.take().map(|code| match self.admission {
            Admission::Awaited => (Admitted::No, code),
            Admission::Due | Admission::Told => (Admitted::Yes, code),
        });
        let message_id = self.message_id.take();
        let flags = std::mem::take(&mut self.flags);
        match std::mem::take(&mut self.moved) {
            Moved::No => {}
            Moved::Quietly => delivery.moved_quietly = Some(self.head),
            Moved::Yes => delivery.notice = Some(Notice { head: self.head, message_id, flags }),
        }
        delivery
    }

    fn moved(&mut self, notice: Notice) -> bool {
        if notice.head <= self.head && self.moved != Moved::Yes {
            // The session knows, or will be told by its welcome.
            return false;
        }
        let mut merged = Notice { head: self.head, message_id: self.message_id, flags: self.flags };
        merged.merge(notice);
        self.head = merged.head;
        self.message_id = merged.message_id;
        self.flags = merged.flags;
        self.moved = Moved::Yes;
        true
    }

    fn end(&mut self, code: CloseCode) -> bool {
        self.end.get_or_insert(code);
        true
    }

    fn to_hold(&self, key: SessionKey, identity: &Identity) -> Hold {
        let Identity { user_id, device_id, instance, attempt, ticket_issued_at_s } = *identity;
        let acked = Cursor { epoch: self.epoch, seq: self.acked };
        let known = Known { generation: self.generation, epoch: self.epoch, head: self.head };
        Hold {
            session: key,
            user_id,
            device_id,
            instance,
            attempt,
            ticket_issued_at_s: ticket_issued_at_s.into(),
            acked: Some(acked).filter(|acked| acked.seq > InboxSeq::ZERO),
            known: Some(known).filter(|_| self.admission != Admission::Awaited),
            late: false,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
