//! What slow readers take of the server's memory.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{report::Report, stand::Stand};
use crate::{cli::BenchSlowReaders, failure::Failure, machine};

/// Readers that come and go before the first look, so that what is made once is made.
const WARM_UP: u32 = 8;
/// A reader takes something this often.
const READ_EVERY: Duration = Duration::from_millis(100);
const KIB: u64 = 1024;

pub(super) async fn run(bench: BenchSlowReaders) -> Result<(), Failure> {
    machine::raise_open_files()?;
    let stand = Arc::new(Stand::start(bench.tls).await?);
    let size = u64::from(bench.mib) * KIB * KIB;
    let medium = stand.upload(size).await?.id;
    let url = stand.url(&format!("/v1/media/{medium}"));
    let gauge = stand.gauge();
    let readers = |count: u32, seconds: u32| Readers {
        stand: Arc::clone(&stand),
        url: url.clone(),
        size,
        count,
        time: Duration::from_secs(seconds.into()),
        bytes_per_second: u64::from(bench.kib_per_second) * KIB,
        http2: bench.http2,
    };
    readers(WARM_UP, 1).read().await?;
    let before = gauge.memory_at_rest().await?;
    let reading = readers(bench.readers, bench.seconds).read();
    tokio::pin!(reading);
    let mut looks = interval(READ_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut most = before;
    let bytes = loop {
        tokio::select! {
            read = reading.as_mut() => break read?,
            _ = looks.tick() => most = most.max(gauge.memory()?),
        }
    };
    let stand = Arc::into_inner(stand).ok_or_else(|| Failure::new("a reader did not end"))?;
    stand.stop().await?;
    report(&bench, before, most, bytes).print(bench.json)
}

struct Readers {
    stand: Arc<Stand>,
    url: String,
    size: u64,
    count: u32,
    time: Duration,
    bytes_per_second: u64,
    http2: bool,
}

impl Readers {
    /// Reads for the time; the bytes that all of them got.
    async fn read(self) -> Result<u64, Failure> {
        let readers = Arc::new(self);
        let all_there = Arc::new(Barrier::new(readers.count as usize));
        let mut reading = JoinSet::new();
        for _ in 0..readers.count {
            let (readers, all_there) = (Arc::clone(&readers), Arc::clone(&all_there));
            reading.spawn(async move { readers.read_one(&all_there).await });
        }
        let mut bytes = 0;
        while let Some(read) = reading.join_next().await {
            bytes += read??;
        }
        Ok(bytes)
    }

    async fn read_one(&self, all_there: &Barrier) -> Result<u64, Failure> {
        let wanted = self.bytes_per_second * self.time.as_secs();
        let offset = fastrand::u64(..self.size.saturating_sub(wanted).max(1));
        let request = self.client()?.get(&self.url).bearer_auth(self.stand.token());
        let response = request.header("Range", format!("bytes={offset}-")).send().await;
        // Whoever fails is waited for, too.
        all_there.wait().await;
        let mut response = response?.error_for_status()?;
        let began = Instant::now();
        let mut read = 0;
        let mut turns = interval(READ_EVERY);
        while began.elapsed() < self.time {
            turns.tick().await;
            let due = began.elapsed().as_secs_f64() * self.bytes_per_second as f64;
            while read < due as u64 {
                let Some(chunk) = response.chunk().await? else { return Ok(read) };
                read += chunk.len() as u64;
            }
        }
        Ok(read)
    }

    /// One with a connection of its own, and no more room than a reader needs.
    fn client(&self) -> Result<Client, Failure> {
        let client = self.stand.client();
        let client = if self.http2 { client.http2_prior_knowledge() } else { client.http1_only() };
        Ok(client.build()?)
    }
}

fn report(bench: &BenchSlowReaders, before: u64, most: u64, bytes: u64) -> Report {
    let grown = most.saturating_sub(before);
    let each = grown / u64::from(bench.readers);
    let version = if bench.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let protocol = if bench.tls { format!("{version} over TLS") } else { version.to_owned() };
    let rate = bytes as f64 / f64::from(bench.seconds) / KIB as f64 / f64::from(bench.readers);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / (KIB * KIB) as f64);
    let mut report = Report::new(format!(
        "{} readers of {} MiB at {} KiB/s, for {} s",
        bench.readers, bench.mib, bench.kib_per_second, bench.seconds
    ));
    report.add("readers", bench.readers, "readers", bench.readers);
    report.add("protocol", protocol.clone(), "protocol", protocol);
    report.add("bytes_read", bytes, "read", format!("{} in all, {rate:.0} KiB/s each", mib(bytes)));
    report.add("bytes_before", before, "server's memory before", mib(before));
    report.add("bytes_grown", grown, "grown by at most", mib(grown));
    report.add("bytes_each", each, "for each reader", format!("{each} bytes"));
    report
}
