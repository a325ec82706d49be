use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// Lets something happen at most once in a time, however many want it; who comes meanwhile waits until it
/// has happened, and has it too.
#[derive(Debug)]
pub(super) struct Turn {
    last: Mutex<Option<Instant>>,
    every: Duration,
}

impl Turn {
    pub(super) fn new(every: Duration) -> Self {
        Self { last: Mutex::default(), every }
    }

    /// Does it, unless it has happened within the time.
    pub(super) async fn take(&self, work: impl Future<Output = ()>) {
        let mut last = self.last.lock().await;
        if last.is_none_or(|last| last.elapsed() >= self.every) {
            work.await;
            *last = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn p5_a_crowd_makes_it_happen_once_in_the_time() {
        let (turn, times) = (Turn::new(Duration::from_secs(1)), Cell::new(0));
        let work = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            times.set(times.get() + 1);
        };
        let crowd = async || {
            join_all((0..100).map(|_| turn.take(work()))).await;
        };
        crowd().await;
        assert_eq!(times.get(), 1);
        crowd().await;
        assert_eq!(times.get(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        crowd().await;
        assert_eq!(times.get(), 2);
    }
}
