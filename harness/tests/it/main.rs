//! The harness, tested by itself.

mod history;
mod proxy;
