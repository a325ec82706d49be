//! The content service: accounts, conversations, messages, inbox, media, watch.
//!
//! # Layout, in reading order
//!
//! - [`store`]: what must last, as one trait in domain words, and its implementations
pub mod store;
