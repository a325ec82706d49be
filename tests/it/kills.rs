//! P1 and P2 from the outside: the server dies again and again, and nothing that it answered is lost,
//! doubled or moved.

mod crowd;
mod uploader;

use std::time::{Duration, Instant};

use nudge_harness::ServerCommand;
use tokio_util::sync::CancellationToken;

use crate::serve::BINARY;
use crowd::Crowd;
use uploader::Uploader;

/// Deaths of the server, at the least.
const ROUNDS: usize = 200;
/// A server that is ready lives at most this long.
const LIFE_MAX: Duration = Duration::from_millis(150);
/// One that only just starts, in every fifth round, at most this long.
const BIRTH_MAX: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_200_kills_lose_double_and_move_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerCommand::new(BINARY, folder.path()).start().await.unwrap();
    let crowd = Crowd::gather(&server).await;
    let uploader = Uploader::new(&server).await;
    let stop = CancellationToken::new();
    let at_work = tokio::spawn(crowd.clone().work(stop.clone()));
    let uploading = tokio::spawn(uploader.work(stop.clone()));

    let began = Instant::now();
    for round in 1..=ROUNDS {
        tokio::time::sleep(at_random(LIFE_MAX)).await;
        server.kill().await.unwrap();
        if round % 5 == 0 {
            server.start_and_kill(at_random(BIRTH_MAX)).await.unwrap();
        }
        server.restart().await.unwrap();
        if round % 20 == 0 {
            println!("{round} rounds in {:?}: {}", began.elapsed(), crowd.progress());
        }
    }
    stop.cancel();
    at_work.await.unwrap();
    let uploads = uploading.await.unwrap();
    crowd.read_to_the_end().await;

    println!("{}; {uploads}", crowd.progress());
    let summary = crowd.verify().unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{summary}");
    // Otherwise the run has shown nothing.
    let lost_answers = crowd.lost_answers();
    assert!(lost_answers >= 5, "only {lost_answers} answers of committed sends were lost");
    assert!(summary.sends >= 2 * ROUNDS, "{summary}");
    assert!(uploads.finished >= 5 && uploads.cut >= 5, "{uploads}");
}

fn at_random(max: Duration) -> Duration {
    max.mul_f64(fastrand::f64())
}
