//! Measurements of a server in a process of its own.

mod bus;
mod connection;
mod gauge;
mod hold;
mod holders;
mod idle;
mod media;
mod population;
mod report;
mod send;
mod server;
mod slow_readers;
mod stand;

use crate::{
    cli::{Bench, Measurement},
    failure::Failure,
};

pub(crate) async fn run(bench: Bench) -> Result<(), Failure> {
    match bench.measurement {
        Measurement::Idle(idle) => idle::run(idle).await,
        Measurement::Send(send) => send::run(send).await,
        Measurement::Media(media) => media::run(media).await,
        Measurement::SlowReaders(readers) => slow_readers::run(readers).await,
        Measurement::Bus(bus) => bus::run(bus).await,
        Measurement::Hold => hold::run().await,
    }
}
