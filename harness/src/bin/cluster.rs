//! `cluster`: many nodes on this machine by one command; `scripts/cluster` builds and starts it.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use nudge_harness::{
    Cluster,
    cluster::{BusKind, Node},
};
use tokio::sync::Mutex;

/// Runs fetch and signal nodes on Postgres, an S3 server and NATS, all of them on this machine
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Arguments {
    /// The program `nudge`
    #[arg(long, value_name = "FILE")]
    nudge: PathBuf,
    /// Fetch nodes
    #[arg(long, default_value_t = 2)]
    fetch: usize,
    /// Signal nodes
    #[arg(long, default_value_t = 2)]
    signal: usize,
    /// The way between the fetch nodes
    #[arg(long, default_value = "nats")]
    bus: BusKind,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Plays `nudge demo` on it, the sender on other nodes than the recipient
    Demo {
        /// What `nudge demo` is told besides
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        arguments: Vec<OsString>,
    },
    /// Tells where it is, and lets it run until Ctrl-C
    Run,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments { nudge, fetch, signal, bus, task } = arguments;
    let builder = Cluster::builder(&nudge).nodes(fetch, signal).bus(bus);
    match task {
        Task::Demo { arguments } => {
            let cluster = builder.paired().start().await?;
            introduce(&cluster).await;
            let status = demo(&cluster, &nudge, &arguments).await?;
            conclude(&cluster).await?;
            Ok(status)
        }
        Task::Run => {
            let cluster = builder.start().await?;
            introduce(&cluster).await;
            eprintln!("Ctrl-C ends all of it.");
            tokio::signal::ctrl_c().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn demo(
    cluster: &Cluster,
    nudge: &PathBuf,
    arguments: &[OsString],
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut demo = tokio::process::Command::new(nudge);
    demo.arg("demo").args(arguments).kill_on_drop(true);
    let last = cluster.fetch().len().saturating_sub(1);
    for node in [0, last] {
        demo.arg("--server").arg(cluster.node_url(node).await.ok_or("there is no fetch node")?);
    }
    let status = demo.status().await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn introduce(cluster: &Cluster) {
    eprintln!("Apps find the cluster at {}", cluster.url());
    for node in cluster.fetch().iter().chain(cluster.signal()) {
        let node = node.lock().await;
        let ready = node.ready();
        let address = ready.fetch.or(ready.signal).map(|address| address.to_string());
        let (name, address) = (node.name(), address.unwrap_or_default());
        eprintln!("  {name:<10} {address:<22} process {}, operator {}", node.pid(), ready.private);
    }
    eprintln!("  {:<10} {}", "postgres", cluster.postgres().url(cluster.database()));
    eprintln!("  {:<10} {}", "S3", cluster.objects().endpoint());
    if let Some(nats) = cluster.nats() {
        eprintln!("  {:<10} {}", "NATS", nats.url());
    }
    eprintln!();
}

/// What each node had to do with it.
async fn conclude(cluster: &Cluster) -> Result<(), Box<dyn std::error::Error>> {
    const FETCH: [(&str, &str); 4] = [
        ("sends", "nudge_fetch_sends_total"),
        ("requests", "nudge_fetch_requests_total"),
        ("bytes up", "nudge_fetch_uploaded_bytes_total"),
        ("bytes down", "nudge_fetch_downloaded_bytes_total"),
    ];
    const SIGNAL: [(&str, &str); 2] =
        [("hellos", "nudge_signal_hellos_total"), ("notices", "nudge_signal_notices_total")];
    for node in cluster.fetch() {
        tell(node, &FETCH).await?;
    }
    for node in cluster.signal() {
        tell(node, &SIGNAL).await?;
    }
    Ok(())
}

async fn tell(
    node: &Mutex<Node>,
    metrics: &[(&str, &str)],
) -> Result<(), Box<dyn std::error::Error>> {
    let node = node.lock().await;
    let mut told = Vec::new();
    for (meaning, metric) in metrics {
        told.push(format!("{} {meaning}", node.metric(metric).await?));
    }
    eprintln!("  {:<10} {}", node.name(), told.join(", "));
    Ok(())
}
