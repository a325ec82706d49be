use std::fmt;

use bytes::Bytes;
use nudge_proto::session::Backoff;
use rand::random;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::exchange::{Exchange, Outgoing};
use crate::limits::{
    BUS_ANSWER_TIMEOUT, BUS_CLOSE_TIMEOUT, BUS_RECONNECT_MAX, BUS_RECONNECT_MIN,
    BUS_SIGN_OF_LIFE_EVERY,
};

/// What can carry batches to other processes, and theirs here.
pub(super) trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// A connection that listens.
    type Link: Link;

    /// For metrics and logs.
    const NAME: &'static str;

    /// Connects, and listens.
    fn connect(&self) -> impl Future<Output = Result<Self::Link, Broken>> + Send;
}

/// A connection to what carries.
pub(super) trait Link: Send {
    /// The largest batch, in bytes.
    const BATCH_BYTES_MAX: usize;
    /// Batches that are published together.
    const BATCHES_MAX: usize;

    /// What comes next, our own batches too. Nothing is lost when the future is dropped.
    fn hear(&mut self) -> impl Future<Output = Result<Incoming, Broken>> + Send;

    /// Publishes batches, in their order.
    fn publish(&mut self, batches: Vec<Bytes>) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Says good-bye.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What a link brings.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A batch.
    Batch(Bytes),
    /// Batches that came were dropped.
    Dropped,
}

/// Why a link cannot be used, or any longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

/// Keeps a carrier connected until `stop`.
pub(super) async fn keep<C: Carrier>(carrier: C, exchange: &Exchange, stop: &CancellationToken) {
    let mut backoff = Backoff::new(BUS_RECONNECT_MIN, BUS_RECONNECT_MAX, random());
    while !stop.is_cancelled() {
        let connect = timeout(BUS_ANSWER_TIMEOUT, carrier.connect());
        let Some(connected) = stop.run_until_cancelled(connect).await else {
            return;
        };
        let why = match connected.unwrap_or_else(|_| Err(no_answer("to a connection"))) {
            Ok(mut link) => match stop.run_until_cancelled(carry(&mut link, exchange)).await {
                Some(why) => why,
                None => return finish(link, exchange).await,
            },
            Err(why) => why,
        };
        if exchange.status.is_up() {
            backoff.reset();
        }
        exchange.went_down(why.0);
        let _ = stop.run_until_cancelled(sleep(backoff.next_wait())).await;
    }
}

/// Carries until the link breaks.
///
/// The link is believed when one of our own batches has come back: what came before may not have been
/// heard. From then on each must, within a time.
async fn carry<L: Link>(link: &mut L, exchange: &Exchange) -> Broken {
    let mut echo = Echo::default();
    let mut sign_of_life = Instant::now();
    let mut is_up = false;
    loop {
        tokio::select! {
            heard = link.hear() => match heard {
                Ok(Incoming::Batch(batch)) => {
                    if let Some(number) = exchange.hear(&batch) {
                        echo.came(number);
                        if !is_up {
                            is_up = true;
                            exchange.came_up();
                        }
                    }
                    continue;
                }
                Ok(Incoming::Dropped) => {
                    exchange.gap();
                    continue;
                }
                Err(why) => return why,
            },
            () = exchange.has_news(), if is_up => {}
            () = sleep_until(sign_of_life) => {}
            () = echo.is_late() => return no_answer("to what was published"),
        }
        match publish(link, exchange).await {
            Ok(number) => echo.awaits(number),
            Err(why) => return why,
        }
        sign_of_life = Instant::now() + BUS_SIGN_OF_LIFE_EVERY;
    }
}

/// Publishes some of what waits, or a sign of life; the number of the last batch.
async fn publish<L: Link>(link: &mut L, exchange: &Exchange) -> Result<u64, Broken> {
    let batches = exchange.take(L::BATCHES_MAX, L::BATCH_BYTES_MAX);
    let last = batches.last().map_or(0, |batch| batch.number);
    let events = batches.iter().map(|batch| batch.events).sum();
    let batches = batches.into_iter().map(|Outgoing { bytes, .. }| bytes).collect();
    let published = timeout(BUS_ANSWER_TIMEOUT, link.publish(batches)).await;
    match published.unwrap_or_else(|_| Err(no_answer("to what was published"))) {
        Ok(()) => {
            exchange.status.published(events);
            Ok(last)
        }
        Err(why) => {
            // Their numbers are used up, so that the others notice.
            exchange.status.lost(events);
            Err(why)
        }
    }
}

/// What was committed is told, also when the service stops right after.
async fn finish<L: Link>(mut link: L, exchange: &Exchange) {
    let finish = async {
        while !exchange.is_empty() && publish(&mut link, exchange).await.is_ok() {}
        link.close().await;
    };
    if timeout(BUS_CLOSE_TIMEOUT, finish).await.is_err() {
        tracing::debug!("the bus is left without a good-bye");
    }
}

/// Our own batches, on their way back.
#[derive(Debug, Default)]
struct Echo {
    /// The last that was published.
    last: u64,
    /// One that has not come back, and when it is late.
    awaited: Option<(u64, Instant)>,
}

impl Echo {
    fn awaits(&mut self, number: u64) {
        self.last = number;
        self.awaited.get_or_insert_with(|| (number, Instant::now() + BUS_ANSWER_TIMEOUT));
    }

    fn came(&mut self, number: u64) {
        if self.awaited.is_some_and(|(awaited, _)| number >= awaited) {
            self.awaited = None;
        }
        if number < self.last && self.awaited.is_none() {
            self.awaits(self.last);
        }
    }

    async fn is_late(&self) {
        match self.awaited {
            Some((_, late)) => sleep_until(late).await,
            None => std::future::pending().await,
        }
    }
}

fn no_answer(to_what: &str) -> Broken {
    Broken(format!("no answer {to_what} within {} s", BUS_ANSWER_TIMEOUT.as_secs()))
}
