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
    if let Err(failure) = start_log(&cli) {
        return end(&failure);
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::warn!("another TLS provider was installed first");
    }
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure),
    }
}

fn start_log(cli: &cli::Cli) -> Result<(), failure::Failure> {
    let log =
        tracing_subscriber::fmt().with_env_filter(cli.log_filter()?).with_writer(std::io::stderr);
    match cli.log_format {
        cli::LogFormat::Text => log.init(),
        cli::LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

fn end(failure: &failure::Failure) -> ExitCode {
    if !failure.is_silent() {
        eprintln!("nudge: {failure}");
    }
    failure.exit_code()
}
