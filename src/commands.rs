//! What each command does, one file each.

mod demo;
mod migrate;
mod serve;

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
            Command::Demo(demo) => demo::run(demo).await,
            Command::Migrate(migrate) => migrate::run(migrate).await,
        }
    })
}
