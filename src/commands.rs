//! What each command does, one file each.

mod account;
mod admin;
mod bench;
mod chat;
mod demo;
mod download;
mod fetch_node;
mod history;
mod listen;
mod migrate;
mod send;
mod serve;
mod signal_node;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
};

/// Runs the command to its end.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve::run(*serve).await,
            Command::Fetch(node) => fetch_node::run(*node).await,
            Command::Signal(node) => signal_node::run(*node).await,
            Command::Demo(demo) => demo::run(demo).await,
            Command::Register(register) => account::register(register).await,
            Command::Login(login) => account::login(login).await,
            Command::Logout(logout) => account::logout(logout).await,
            Command::Send(send) => send::run(send).await,
            Command::Listen(listen) => listen::run(listen).await,
            Command::Download(download) => download::run(download).await,
            Command::Chat(chat) => chat::run(chat).await,
            Command::Conversations(list) => history::conversations(list).await,
            Command::History(history) => history::history(history).await,
            Command::Devices(devices) => account::devices(devices).await,
            Command::Bench(bench) => bench::run(bench).await,
            Command::Migrate(migrate) => migrate::run(migrate).await,
            Command::Admin(admin) => admin::run(admin).await,
        }
    })
}
