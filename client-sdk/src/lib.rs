#![doc = include_str!("../README.md")]
//!
//! # Layout, in reading order
//!
//! - `config`, [`limits`], `error`: what is given, and what can go wrong
//! - `model`, `events`: what an app sees
//! - `client`: the calls, by subject
//! - `core`: what the parts share; `state`: what lasts; `http`, `credentials`, `tls`: the way to fetch
//! - `link`: the way to signal; `sync`: the inbox; `upkeep`: what is done from time to time
//! - `lanes`, `retry`: how the rest is worked off; `outbox`: what is to be sent
//! - `upload`, `download`, `transfer`, `files`, `medium_head`: media
#![warn(missing_docs)]

mod config;
pub use config::{ClientConfig, SyncMode};

pub mod limits;

mod error;
pub use error::{Error, Result};

mod model;
pub use model::{
    Change, ChangeKind, Conversation, ConversationKind, Device, History, HistoryItem, Medium,
    Member, MemberReceipt, Message, Receipt, Role, User,
};

mod events;
pub use events::{
    Event, Events, LinkState, NotSent, Outcome, Position, Progress, ResyncReason, Sent, TransferId,
    Unsent, Update, UpdateKind,
};

mod client;
pub use client::{Client, Draft, NewAccount};

mod core;

mod state;

mod http;

mod credentials;

mod tls;

mod link;

mod sync;

mod upkeep;

mod lanes;

mod retry;

mod outbox;

mod upload;

mod download;
pub use download::{Download, Downloaded};

mod transfer;

mod files;

mod medium_head;

/// The workspace's README: its example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use nudge_proto::{
    ClientMessageId, CloseCode, ConversationId, ConversationSeq, DeviceId, ErrorCode, MediumId,
    MessageId, UserId,
};
