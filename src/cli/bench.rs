use clap::{Args, Subcommand};

/// Measure this machine and this build
///
/// Each measurement starts a server of its own, as a child process over a temporary folder, and loads it
/// from other processes. What is measured is the server's process alone.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) measurement: Measurement,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Measurement {
    Idle(BenchIdle),
    Send(BenchSend),
    /// Hold connections for another process of this program: what to do comes on standard input
    #[command(hide = true)]
    Hold,
}

/// What an idle, authenticated signaling connection costs: memory, and CPU while nothing happens
///
/// Opens many connections, each of another user's device and with a genuine ticket, lets everything come
/// to rest, and compares the server's memory with what it was before.
///
/// Counted is the server's resident anonymous memory (heap and stacks, "Anonymous" in
/// /proc/PID/smaps_rollup): everything that the server keeps for a connection in userspace, signaling
/// and content service together. The kernel's own memory for sockets is not in it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge bench idle                    15,000 plain connections
  nudge bench idle --tls              the same over TLS 1.3
  nudge bench idle --connections 2000 --json")]
pub(crate) struct BenchIdle {
    /// Connections to hold
    #[arg(long, default_value_t = 15_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Over TLS
    #[arg(long)]
    pub(crate) tls: bool,
    /// Processes that hold them
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) processes: u32,
    /// How long to watch the server's CPU while nothing but heartbeats happens
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) idle_s: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many messages a second are durable and answered, how fast, and what one costs the server
///
/// Every sender sends to a conversation of his own with one other user, one message after the other,
/// over HTTP/1.1 and in protobuf, as the SDK does. Every message is committed to disk before it is
/// answered; concurrent senders share commits.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge bench send                    32 senders for 10 seconds
  nudge bench send --senders 1        what one sender alone waits for")]
pub(crate) struct BenchSend {
    /// Senders at a time
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) senders: u32,
    /// How long to measure, after a second to warm up
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Bytes of each message's body
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub(crate) body_bytes: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
