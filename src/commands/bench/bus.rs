//! How long it takes until the other nodes have heard.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nudge_fetch::{
    bus::{Bus, BusConfig, BusEvent, BusListener, Heard},
    store::Moved,
};
use nudge_proto::{Epoch, InboxSeq, MessageId, UserId, frame::Notice};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::report::Report;
use crate::{cli::BenchBus, failure::Failure};

/// A bus that is not up within this time is not to be measured.
const UP_TIMEOUT: Duration = Duration::from_secs(15);
/// What was told has to be heard within this time.
const HEARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Told before the measurement begins.
const WARM_UP: u64 = 100;

pub(super) async fn run(bench: BenchBus) -> Result<(), Failure> {
    let wrong = |error| Failure::configuration(format!("--bus: {error}"));
    let config = bench.bus.as_deref().map_or(Ok(BusConfig::Store), str::parse).map_err(wrong)?;
    // Of nobody's store, so that no running node hears of it.
    let store_id = Uuid::new_v4();
    let here = config.open(None, store_id);
    let carrier = here.status().carrier;
    let there = match config {
        BusConfig::Store => Arc::clone(&here),
        BusConfig::Postgres(_) | BusConfig::Nats(_) => config.open(None, store_id),
    };
    let mut listener = there.subscribe();
    for bus in [&here, &there] {
        is_up(bus.as_ref()).await?;
    }
    let user_id = UserId::random();
    let mut waits = Vec::new();
    for number in 1..=WARM_UP + u64::from(bench.events) {
        let told_at = Instant::now();
        here.publish(moved(user_id, number));
        timeout(HEARD_TIMEOUT, heard(&mut listener, number)).await.map_err(|_| {
            Failure::new(format!("event {number} was not heard within {HEARD_TIMEOUT:?}"))
        })?;
        if number > WARM_UP {
            waits.push(told_at.elapsed());
        }
    }
    there.close().await;
    here.close().await;
    waits.sort_unstable();
    let at = |part: f64| micros(waits[((waits.len() - 1) as f64 * part) as usize]);
    let mut report = Report::new(format!("One event after the other over the bus \"{carrier}\""));
    report.add("carrier", carrier, "carrier", carrier);
    report.add("events", bench.events, "events", bench.events);
    for (name, label, part) in [
        ("p50_us", "half are heard within", 0.5),
        ("p99_us", "99 of 100 within", 0.99),
        ("max_us", "all within", 1.0),
    ] {
        report.add(name, at(part), label, format!("{} µs", at(part)));
    }
    report.print(bench.json)
}

async fn is_up(bus: &dyn Bus) -> Result<(), Failure> {
    let up = async {
        while !bus.status().is_up {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(UP_TIMEOUT, up).await.map_err(|_| {
        let why = bus.status().error.unwrap_or_else(|| "nobody answers".to_owned());
        Failure::configuration(format!("the bus does not come up: {why}"))
    })
}

async fn heard(listener: &mut BusListener, number: u64) {
    let is_it = |moved: &Moved| moved.notice.head.0 >= number;
    loop {
        match listener.hear().await {
            Heard::Event(BusEvent::Moved(all)) if all.iter().any(is_it) => return,
            Heard::Event(_) | Heard::Gap => {}
            Heard::Closed => std::future::pending().await,
        }
    }
}

fn moved(user_id: UserId, head: u64) -> BusEvent {
    let notice =
        Notice { head: InboxSeq(head), message_id: Some(MessageId::random()), ..Notice::default() };
    BusEvent::Moved(vec![Moved {
        user_id,
        epoch: Some(Epoch(1)),
        notice,
        except_device_id: None,
        trace: None,
    }])
}

fn micros(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX)
}
