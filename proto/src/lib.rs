//! The conversation that Nudge's parts have with each other.
//!
//! This crate is pure: no IO, no runtime, no clock of its own. Time, seeds and limits are handed in.
//!
//! # Layout, in reading order
//!
//! - [`ids`], [`numbers`], [`handle`]: newtypes for everything that is named or counted
//! - [`limits`]: every limit of the wire, in one place
//! - [`pb`]: the messages generated from `schema/`, with [`json`] for their JSON form
//! - [`error_code`], [`close_code`]: the closed lists of what can go wrong
//! - [`ticket`]: the connect ticket that a hello carries
//! - [`frame`]: typed frames and their length-prefixed bytes
//! - [`session`]: both ends of the signaling session as state machines
//! - [`watch`]: what signal and fetch tell each other
//! - [`milestone`]: what both count of a message's life
//! - [`trace_context`]: how a trace goes on from one process to the next

#![warn(missing_docs)]

pub mod ids;
pub use ids::{
    ClientMessageId, ConversationId, DeviceId, MediumId, MessageId, RequestId, SessionId, UserId,
};

pub mod numbers;
pub use numbers::{ConversationSeq, Cursor, Epoch, InboxSeq};

pub mod handle;
pub use handle::Handle;

pub mod limits;

pub mod pb;

pub mod json;

pub mod error_code;
pub use error_code::ErrorCode;

pub mod close_code;
pub use close_code::CloseCode;

pub mod ticket;

pub mod frame;

pub mod session;

pub mod watch;

pub mod milestone;
pub use milestone::Milestone;

pub mod trace_context;
pub use trace_context::TraceContext;
