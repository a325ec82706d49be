use std::path::PathBuf;

use clap::Args;

/// Watch the main job end to end: a server, two accounts, a text and a file between them
///
/// Starts a whole server in this process, on free ports and in a temporary folder. Ada sends Bob a
/// text and FILE. Bob's app dies when half of the download has arrived; a new one on the same state
/// folder goes on from there, and what arrives is compared with FILE. A second device of Bob's, which
/// only reads its signaling socket, measures the notices.
///
/// With --server, it all happens on servers that run already: given once, both people's apps talk to
/// it; given twice, Ada's app talks to the first and Bob's to the second, say, to two nodes that share
/// a database. Their accounts have names that nobody has, and are deleted at the end.
///
/// Every step is printed with its time and its bytes. The exit status is 1 when anything was not as
/// promised.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge demo                          send this very program
  nudge demo holiday.mp4 --keep out   and look at what arrived in out/bob/holiday.mp4
  nudge demo --server http://fetch1:7480 --server http://fetch2:7480
  nudge demo --json | jq .media       one JSON object, for programs")]
pub(crate) struct Demo {
    /// What to send; this program's own executable when left out
    pub(crate) file: Option<PathBuf>,
    /// A server that runs already, which lets anybody register; given twice, one for each of the two
    #[arg(long, value_name = "URL")]
    pub(crate) server: Vec<String>,
    /// Print one JSON object at the end instead of the timeline
    #[arg(long)]
    pub(crate) json: bool,
    /// Work in this folder, which must be new or empty, and keep it: the server's data, both state
    /// folders, and the file that arrived
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}
