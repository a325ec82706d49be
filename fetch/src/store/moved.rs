use nudge_proto::{DeviceId, Epoch, TraceContext, UserId, frame::Notice};

/// A user's inbox has moved: what goes over the bus after the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub user_id: UserId,
    /// The epoch that the head is a number of; `None` when a node told of it that is too old to say.
    pub epoch: Option<Epoch>,
    /// The new head, and what moved it.
    pub notice: Notice,
    /// The device whose own request this was, and which needs no notice.
    pub except_device_id: Option<DeviceId>,
    /// The trace of that request, if somebody keeps one; the store knows of none.
    pub trace: Option<TraceContext>,
}

/// What a write answers, and whose inboxes it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "what moved must go over the bus"]
pub struct Outcome<T> {
    /// The answer.
    pub value: T,
    /// Whose inboxes moved; empty for a retry that did nothing.
    pub moved: Vec<Moved>,
}

impl<T> Outcome<T> {
    /// An answer that moved nothing.
    pub const fn quiet(value: T) -> Self {
        Self { value, moved: Vec::new() }
    }
}
