//! Measurements of a server in a process of its own.

mod connection;
mod gauge;
mod hold;
mod holders;
mod idle;
mod population;
mod report;
mod send;
mod server;

use crate::{
    cli::{Bench, Measurement},
    failure::Failure,
};

pub(crate) async fn run(bench: Bench) -> Result<(), Failure> {
    match bench.measurement {
        Measurement::Idle(idle) => idle::run(idle).await,
        Measurement::Send(send) => send::run(send).await,
        Measurement::Hold => hold::run().await,
    }
}
