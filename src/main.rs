//! `nudge`: one binary for servers and terminals. It parses, starts and prints.

mod bars;
mod certificate;
mod cli;
#[expect(clippy::print_stdout, reason = "a command's output is its product")]
mod commands;
mod conversation;
mod failure;
mod free_name;
mod human;
mod log;
mod machine;
mod output;
mod password;
mod profile;
mod settings;
mod stop;
mod system;
mod tls;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::read() {
        Ok(cli) => cli,
        Err(failure) => return end(&failure),
    };
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let traces = match log::start(&cli) {
        Ok(traces) => traces,
        Err(failure) => return end(&failure),
    };
    if installed.is_err() {
        tracing::warn!("another TLS provider was installed first");
    }
    let done = commands::run(cli);
    if let Some(traces) = traces {
        traces.finish();
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure),
    }
}

fn end(failure: &failure::Failure) -> ExitCode {
    if !failure.is_silent() {
        eprintln!("nudge: {failure}");
    }
    failure.exit_code()
}
