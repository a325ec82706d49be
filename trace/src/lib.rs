//! Traces: spans to a collector of OpenTelemetry, and from one process to the next.
//!
//! The services make their spans with `tracing`, under the target [`SPANS`], and know nothing of OpenTelemetry: while
//! nobody exports, these spans are disabled where they are made, and cost what a disabled log line costs. [`Traces`]
//! exports them, over OTLP in protobuf over HTTP.
//!
//! A service never waits for a collector. Finished spans go into a bounded queue, which a thread of its own empties;
//! what finds no room, and what a collector refuses, is counted, and said at a bounded rate.
//!
//! # Layout, in reading order
//!
//! - [`config`]: what the operator decides
//! - [`context_of`], [`continue_from`]: where a span belongs, told to and by other processes
//! - [`Traces`]: begins and ends the export; `sampler`: which traces are kept; `resource`: who exports
//! - `queue`: what waits; `exporter`: the thread that empties it; `collector`: one request; `account`: what became of
//!   the spans
//! - `limits`: every limit

#![warn(missing_docs)]

mod account;
mod collector;
pub mod config;
mod context;
mod exporter;
mod limits;
mod queue;
mod resource;
mod sampler;
mod traces;

pub use account::begin_counting;
pub use config::TraceConfig;
pub use context::{context_of, continue_from};
pub use traces::{StartError, Traces};

/// The target of all spans that are exported, and of nothing else: logs leave it out.
pub const SPANS: &str = "nudge_span";
