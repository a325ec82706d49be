//! `chaos`: fifty people, a cluster, and everything that can befall it; `scripts/chaos` builds and starts it.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use nudge_harness::{
    Cluster,
    chaos::{self, ChaosConfig},
    cluster::BusKind,
};

/// Lets people send through a cluster while its parts die, and says whether every promise held
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Arguments {
    /// The program `nudge`
    #[arg(long, value_name = "FILE")]
    nudge: PathBuf,
    /// How long people send
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    seconds: u64,
    /// How many people there are
    #[arg(long, default_value_t = 50)]
    people: usize,
    /// Messages a second, of all of them together
    #[arg(long, default_value_t = 25.0)]
    rate: f64,
    /// Makes the faults of an earlier run again [default: at random]
    #[arg(long)]
    seed: Option<u64>,
    /// Fetch nodes
    #[arg(long, default_value_t = 3)]
    fetch: usize,
    /// Signal nodes
    #[arg(long, default_value_t = 3)]
    signal: usize,
    /// The way between the fetch nodes
    #[arg(long, default_value = "nats")]
    bus: BusKind,
    /// Leave everything well
    #[arg(long)]
    calm: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(is_ok) => {
            if is_ok {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!(
        "chaos: {} people, {} fetch and {} signal nodes, seed {seed}",
        arguments.people, arguments.fetch, arguments.signal
    );
    let cluster = Cluster::builder(&arguments.nudge)
        .nodes(arguments.fetch, arguments.signal)
        .bus(arguments.bus)
        .start()
        .await?;
    let mut config = ChaosConfig::new(Duration::from_secs(arguments.seconds), seed);
    config.people = arguments.people;
    config.messages_per_second = arguments.rate;
    if arguments.calm {
        config.faults.clear();
    }
    let report = chaos::run(Arc::new(cluster), config, |progress| eprintln!("{progress}")).await?;
    print(&report, arguments.json);
    Ok(report.is_ok())
}

#[expect(clippy::print_stdout, reason = "the report is the product")]
fn print(report: &chaos::Report, json: bool) {
    if json {
        println!("{}", report.to_json());
    } else {
        println!("{report}");
    }
}
