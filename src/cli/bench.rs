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
    Media(BenchMedia),
    SlowReaders(BenchSlowReaders),
    Bus(BenchBus),
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

/// How fast media go out and come in, and what each GiB costs the server
///
/// Downloads whole files of 64 MiB and of 1 MiB and ranges of 256 KiB, over HTTP/1.1 and HTTP/2, with and
/// without TLS. Where nginx is installed it serves the same file in the same run, with sendfile and
/// without; the better of the two is the yardstick. The yardstick of uploads is dd with conv=fsync.
///
/// Counted is the CPU time of the server's process alone. The load comes from h2load where that is
/// installed, and from this program otherwise. Runs of all servers alternate, and medians are told.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge bench media                   1 GiB in each of 3 runs of each case
  nudge bench media --mib 256 --rounds 5 --json")]
pub(crate) struct BenchMedia {
    /// MiB of each run
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) mib: u32,
    /// Runs of each case, on each server
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// Connections at a time
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) connections: u32,
    /// Leave nginx out
    #[arg(long)]
    pub(crate) no_nginx: bool,
    /// Let this program make the load, whether or not h2load is installed
    #[arg(long)]
    pub(crate) own_load: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much of the server's memory slow readers take
///
/// Many clients download from one large medium, from random offsets and slowly. What is told is by how
/// much the server's memory grew at the most.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge bench slow-readers            200 readers of 1 GiB for 60 seconds
  nudge bench slow-readers --http2 --readers 1000")]
pub(crate) struct BenchSlowReaders {
    /// Readers at a time, each with a connection of its own
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) readers: u32,
    /// How long they read
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
    /// How fast each reads
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kib_per_second: u32,
    /// The medium's size
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) mib: u32,
    /// Over HTTP/2
    #[arg(long)]
    pub(crate) http2: bool,
    /// Over TLS
    #[arg(long)]
    pub(crate) tls: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long it takes until another node has heard of what one told the bus
///
/// Two ends of one bus in this process, each with a connection of its own, and one event after the other
/// between them. NATS and Postgres have to run already; no running node hears of it. Without --bus it is
/// that of a single process.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge bench bus
  nudge bench bus --bus nats://127.0.0.1:4222
  nudge bench bus --bus postgres://postgres@127.0.0.1/nudge --json")]
pub(crate) struct BenchBus {
    /// nats://HOST:4222 or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env = "NUDGE_BUS", value_name = "URL", hide_env_values = true)]
    pub(crate) bus: Option<String>,
    /// Events to measure
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) events: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
