use std::path::PathBuf;

use clap::Args;

/// Which account on which server; taken by every command of the terminal client.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Account and server")]
pub(crate) struct Account {
    /// Which of this machine's accounts: each profile is one device of one account
    #[arg(long, env = "NUDGE_PROFILE", value_name = "NAME", default_value = "default")]
    pub(crate) profile: String,
    /// The server's URL [default: the one of the last login, or http://127.0.0.1:7480]
    #[arg(long, env = "NUDGE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Trust the certificates in this PEM file, too; remembered at login. A server with
    /// "--tls self-signed" prints the path of its own
    #[arg(long, env = "NUDGE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Folder of all profiles [default: "nudge" in the platform's data folder, such as
    /// ~/.local/share/nudge]
    #[arg(long, env = "NUDGE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Make an account, and log in with it
#[derive(Args, Debug)]
#[command(after_help = PASSWORD_HELP)]
pub(crate) struct Register {
    /// 3 to 32 of a-z, 0-9, ".", "_" and "-", starting with a letter; never given to another
    pub(crate) handle: String,
    /// How others see you [default: the handle]
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    /// Code that the operator gave you, where registration needs one
    #[arg(long, value_name = "CODE")]
    pub(crate) invite: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Log in with an account that exists
///
/// The profile becomes a device of the account, and remembers the server. It is told what comes in
/// from now on; "nudge history" shows what was before.
#[derive(Args, Debug)]
#[command(after_help = PASSWORD_HELP)]
pub(crate) struct Login {
    /// Whose account
    pub(crate) handle: String,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// End this profile's session; its outbox stays for the next login
#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// List the account's devices, or end the session of one
#[derive(Args, Debug)]
pub(crate) struct Devices {
    /// End this device's session: its connections close at once
    #[arg(long, value_name = "DEVICE_ID")]
    pub(crate) revoke: Option<nudge_client_sdk::DeviceId>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: Account,
}

const PASSWORD_HELP: &str = "\
The password comes from --password-file, or from the variable NUDGE_PASSWORD, or it is asked for on
the terminal, or it is the first line of standard input when that is no terminal.

Examples:
  nudge register bob --server https://chat.example.org
  nudge login bob --password-file secret.txt --profile work
  pass show chat | nudge login bob";
