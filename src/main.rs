//! `nudge`: one binary for servers and terminals. It parses, starts and prints.

mod bars;
mod cli;
#[expect(clippy::print_stdout, reason = "a command's output is its product")]
mod commands;
mod conversation;
mod failure;
mod free_name;
mod human;
mod machine;
mod output;
mod password;
mod profile;
mod settings;
mod stop;
mod system;
mod tls;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    tracing_subscriber::fmt().with_env_filter(cli.log_filter()).with_writer(std::io::stderr).init();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::warn!("another TLS provider was installed first");
    }
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                eprintln!("nudge: {failure}");
            }
            failure.exit_code()
        }
    }
}
