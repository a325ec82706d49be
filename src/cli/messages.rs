use std::path::PathBuf;

use clap::{ArgGroup, Args};
use nudge_client_sdk::{ConversationId, MediumId};

use super::Account;

/// Send a text, files, or both
///
/// The message is stored in the profile's outbox first, and then sent: whatever happens in between, it
/// is sent once. Without --no-wait the command waits until the server has it, and prints its ids.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("recipient").required(true).args(["to", "group"])),
    group(ArgGroup::new("content").required(true).multiple(true).args(["text", "files"])),
    after_help = "\
Examples:
  nudge send --to bob 'Hello Bob'
  nudge send --to bob --file holiday.mp4 --file map.pdf 'Look!'
  git log | nudge send --to bob -
  nudge send --group 0198c1a6-... --ttl 3600 'Gone in an hour'"
)]
pub(crate) struct Send {
    /// To whom: a handle
    #[arg(long, value_name = "HANDLE")]
    pub(crate) to: Option<String>,
    /// To which conversation: an id, as "nudge conversations" shows it
    #[arg(long, value_name = "CONVERSATION_ID")]
    pub(crate) group: Option<ConversationId>,
    /// The text; "-" reads it from standard input
    pub(crate) text: Option<String>,
    /// A file to send with it; may be given several times
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Seconds until the message disappears everywhere
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u64>,
    /// Leave it in the outbox: the next "listen" or "chat" of this profile sends it
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Print what comes in, each message once
///
/// What came in while this was not running comes first. Every message, change and receipt is printed
/// once, over all runs: stop it or kill it at any moment, and the next run goes on behind the last
/// line. One process per profile can listen; "nudge send" works beside it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge listen
  nudge listen --download inbox        and save every file that comes
  nudge listen --json | jq -r 'select(.type == \"message\") | .text'
  nudge listen --count 1               wait for one message")]
pub(crate) struct Listen {
    /// Save files into this folder, under their own names; an existing file is never replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) download: Option<PathBuf>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Download one file by its id
///
/// A download that was cut, even by a kill, goes on where it was when the same command is given again.
/// The file appears under its name once its SHA-256 was verified.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge download 0198c1a6-...                under the name its sender gave it
  nudge download 0198c1a6-... -o photo.jpg   under another; an existing file is replaced")]
pub(crate) struct Download {
    /// Which: "listen" and "history" show the ids
    pub(crate) medium: MediumId,
    /// Where to: a file, or a folder for the sender's name of it or the next that is free
    /// [default: the current folder]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Talk with somebody, line by line
///
/// A line that you type is sent, what comes in is shown, and what is shown is marked as read. What
/// comes in from others meanwhile is shown with its sender's name.
#[derive(Args, Debug)]
#[command(after_help = "\
While it runs:
  /file PATH   send a file
  /quit        end, as does the end of input")]
pub(crate) struct Chat {
    /// With whom
    pub(crate) handle: String,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// List conversations, with what is unread
#[derive(Args, Debug)]
pub(crate) struct Conversations {
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Print a conversation's history, oldest first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  nudge history bob
  nudge history 0198c1a6-... --limit 500 --json")]
pub(crate) struct History {
    /// With whom: a handle; or which: a conversation's id
    #[arg(value_name = "HANDLE|CONVERSATION_ID")]
    pub(crate) of: String,
    /// The newest so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}
