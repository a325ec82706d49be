use std::path::PathBuf;

use clap::{Args, Subcommand};
use nudge_proto::{DeviceId, MessageId, UserId};

use super::DataFolder;

/// Inspect a running system, close connections, and finish a restore
#[derive(Args, Debug)]
pub(crate) struct Admin {
    #[command(subcommand)]
    pub(crate) action: AdminAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminAction {
    Message(AskMessage),
    Sessions(AskSessions),
    Kick(Kick),
    Stats(AskStats),
    /// Begin a new epoch after a backup was restored, while no server uses it
    ///
    /// What devices acknowledged after the backup was made, the restored store does not know: its
    /// numbers would mean something else to them. In a new epoch every device reads its inbox from the
    /// start; messages it has already are recognized by their ids.
    NewEpoch(Box<DataFolder>),
}

/// Show what became of one message: who has it, who does not, and why
///
/// Never its content. What each node still remembers of its milestones is told with the times; name all
/// fetch nodes to have all of them.
#[derive(Args, Debug)]
pub(crate) struct AskMessage {
    /// The message's id
    pub(crate) id: MessageId,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
}

/// List who is connected, by user id
#[derive(Args, Debug)]
pub(crate) struct AskSessions {
    /// Only this user, by id or handle
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Go on behind this user
    #[arg(long, value_name = "USER_ID")]
    pub(crate) after: Option<UserId>,
    /// How many at most, of each node
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
}

/// End the connections of a user, or of one device of his; they may come back, unless they are revoked
#[derive(Args, Debug)]
pub(crate) struct Kick {
    /// The user, by id or handle
    pub(crate) user: String,
    /// One device; all of them when left out
    pub(crate) device: Option<DeviceId>,
    /// Log the devices out, too: they come back by a new log in alone
    #[arg(long)]
    pub(crate) revoke: bool,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
}

/// Count what there is, and what waits
#[derive(Args, Debug)]
pub(crate) struct AskStats {
    #[command(flatten)]
    pub(crate) nodes: Nodes,
}

/// Whom to ask, and how.
#[derive(Args, Debug)]
pub(crate) struct Nodes {
    /// Private listener of a fetch node; may be given several times
    #[arg(
        long = "node",
        env = "NUDGE_NODES",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:7490"
    )]
    pub(crate) nodes: Vec<String>,
    /// The nodes' admin token [default: what stands in DATA_DIR/admin-token]
    #[arg(long, env = "NUDGE_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// File that the admin token is in
    #[arg(long, env = "NUDGE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Data folder of a server on this machine, which has the token in it
    #[arg(long, env = "NUDGE_DATA_DIR", value_name = "DIR", default_value = "nudge-data")]
    pub(crate) data_dir: PathBuf,
    /// File with the authority that the nodes' certificates come from, for https
    #[arg(long, env = "NUDGE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}
