//! What an idle connection costs.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    holders::Holders,
    population::populate,
    report::Report,
    server::{Server, data_dir},
};
use crate::{cli::BenchIdle, failure::Failure, machine};

/// Connections that come and go before the first look, so that what is made once is made.
const WARM_UP: usize = 200;
/// Descriptors of a server besides its connections.
const SPARE_DESCRIPTORS: u64 = 200;

pub(super) async fn run(idle: BenchIdle) -> Result<(), Failure> {
    let limit = machine::raise_open_files()?;
    let needed = u64::from(idle.connections) + SPARE_DESCRIPTORS;
    if limit < needed {
        return Err(Failure::configuration(format!(
            "--connections {} needs {needed} open files, and this machine allows {limit}: \
             raise the hard limit (ulimit -Hn) or ask for fewer",
            idle.connections
        )));
    }
    let tell = |what: &str| {
        if !idle.json {
            eprintln!("{what}");
        }
    };
    tell(&format!("making {} users", idle.connections));
    let folder = tempfile::tempdir()?;
    let sessions = populate(&data_dir(&folder), idle.connections).await?;
    let server = Server::start(folder, idle.tls).await?;
    let gauge = server.gauge();
    let processes = idle.processes as usize;

    let few = &sessions[..sessions.len().min(WARM_UP)];
    Holders::open(&server.ready, few, processes).await?.close().await?;
    let before = gauge.memory_at_rest().await?;
    let cpu_before = gauge.cpu()?;

    tell(&format!("opening {} connections", sessions.len()));
    let began = Instant::now();
    let mut holders = Holders::open(&server.ready, &sessions, processes).await?;
    let opened_in = began.elapsed();
    let opening_cpu = gauge.cpu()?.saturating_sub(cpu_before);
    let after = gauge.memory_at_rest().await?;

    tell(&format!("watching the server for {} s", idle.idle_s));
    let (began, cpu_before) = (Instant::now(), gauge.cpu()?);
    sleep(Duration::from_secs(idle.idle_s.into())).await;
    let idle_cpu = gauge.cpu()?.saturating_sub(cpu_before);
    let watched = began.elapsed();
    holders.check().await?;

    holders.close().await?;
    server.stop().await?;
    let figures = Figures { before, after, opened_in, opening_cpu, watched, idle_cpu };
    report(&idle, &figures).print(idle.json)
}

struct Figures {
    before: u64,
    after: u64,
    opened_in: Duration,
    opening_cpu: Duration,
    watched: Duration,
    idle_cpu: Duration,
}

fn report(idle: &BenchIdle, figures: &Figures) -> Report {
    let count = f64::from(idle.connections);
    let each = figures.after.saturating_sub(figures.before) as f64 / count;
    let opening_us = figures.opening_cpu.as_secs_f64() * 1e6 / count;
    let cpu_percent = 100.0 * figures.idle_cpu.as_secs_f64() / figures.watched.as_secs_f64();
    let kind = if idle.tls { "TLS" } else { "plain" };
    let mut report =
        Report::new(format!("{} idle connections, {kind}, authenticated", idle.connections));
    let [mib_before, mib_after] =
        [figures.before, figures.after].map(|bytes| bytes as f64 / 1024.0 / 1024.0);
    report.add("connections", idle.connections, "connections", idle.connections);
    report.add("tls", idle.tls, "TLS", if idle.tls { "1.3" } else { "none" });
    report.add(
        "bytes_per_connection",
        each.round(),
        "memory of each",
        format!("{each:.0} bytes of the server's userspace"),
    );
    report.add("bytes_before", figures.before, "memory before", format!("{mib_before:.1} MiB"));
    report.add("bytes_after", figures.after, "memory with them", format!("{mib_after:.1} MiB"));
    report.add(
        "idle_cpu_percent",
        cpu_percent,
        "CPU while idle",
        format!("{cpu_percent:.2} % of a core, over {:.1} s", figures.watched.as_secs_f64()),
    );
    report.add("idle_watched_s", figures.watched.as_secs_f64(), "their pings", "one per heartbeat");
    report.add(
        "opened_in_s",
        figures.opened_in.as_secs_f64(),
        "opened in",
        format!("{:.1} s", figures.opened_in.as_secs_f64()),
    );
    report.add(
        "opening_cpu_us",
        opening_us,
        "CPU to open one",
        format!("{opening_us:.0} µs of the server"),
    );
    report
}
