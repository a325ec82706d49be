//! A signal node that does not keep to the watch, or does not keep up with it.

use std::time::Duration;

use futures::{SinkExt, StreamExt, channel::mpsc};
use nudge_fetch::{
    bus::{Bus, BusEvent},
    store::Moved,
};
use nudge_harness::System;
use nudge_proto::{
    DeviceId, InboxSeq, UserId,
    frame::Notice,
    watch::{Down, DownStream, Hold, Up, WATCH_BATCH_MAX, Watch, WatchError},
};
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A signal node in the test's own hands.
struct Node {
    up: mpsc::Sender<Vec<Up>>,
    down: DownStream,
}

impl Node {
    async fn open(system: &System) -> Self {
        let (up, batches) = mpsc::channel(16);
        let watch = system.grpc_watch().unwrap();
        let down = watch.open(batches.boxed()).await.unwrap();
        Self { up, down }
    }

    async fn say(&mut self, batch: Vec<Up>) {
        self.up.send(batch).await.unwrap();
    }

    /// What ends the stream.
    async fn end(mut self) -> WatchError {
        let end = async {
            loop {
                if let Err(error) = self.down.next().await.unwrap() {
                    return error;
                }
            }
        };
        timeout(PATIENCE, end).await.expect("the stream goes on")
    }
}

fn hold(session: u64, user_id: UserId, device_id: DeviceId) -> Up {
    Up::Hold(Hold {
        session,
        user_id,
        device_id,
        instance: 1,
        attempt: 1,
        ticket_issued_at_s: 0,
        acked: None,
        known: None,
        late: false,
    })
}

#[tokio::test]
async fn a_node_that_gives_one_key_to_two_sessions_is_told_so_and_holds_nobody() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let mut node = Node::open(&system).await;
    let holds = (0..2).map(|_| hold(7, UserId::random(), DeviceId::random()));
    node.say(holds.collect()).await;
    let WatchError::Malformed(why) = node.end().await else { panic!("another end") };
    assert!(why.contains("session key 7"), "{why}");
    assert_eq!(system.held_sessions(), 0);
    system.shutdown().await;
}

#[tokio::test]
async fn p5_a_batch_above_the_limit_ends_the_stream_and_says_why() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let mut node = Node::open(&system).await;
    node.say(vec![Up::Drop { session: 1 }; WATCH_BATCH_MAX + 1]).await;
    let WatchError::Malformed(why) = node.end().await else { panic!("another end") };
    assert!(why.contains("1024") && why.contains("1025"), "{why}");

    let mut node = Node::open(&system).await;
    let large =
        (0..5 * WATCH_BATCH_MAX as u64).map(|n| hold(n, UserId::random(), DeviceId::random()));
    node.say(large.collect()).await;
    node.end().await;
    assert!(system.signal_stats().watch_is_up, "others are not disturbed");
    system.shutdown().await;
}

#[tokio::test]
async fn p5_a_node_that_does_not_read_is_sent_little_ahead_and_keeps_its_stream() {
    const MOVES: u64 = 100_000;
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let bob = system.api("bob").await.unwrap();
    let (user_id, device_id) =
        (bob.user().id.parse().unwrap(), bob.session().device_id.parse().unwrap());
    let mut node = Node::open(&system).await;
    node.say(vec![hold(1, user_id, device_id)]).await;
    let held = async {
        while !node
            .down
            .next()
            .await
            .unwrap()
            .unwrap()
            .iter()
            .any(|down| matches!(down, Down::Held { .. }))
        {}
    };
    timeout(PATIENCE, held).await.expect("it is not held");
    for head in 1..=MOVES {
        let notice = Notice { head: InboxSeq(head), ..Notice::default() };
        system.bus().publish(BusEvent::Moved(vec![Moved {
            user_id,
            epoch: None,
            notice,
            except_device_id: None,
            trace: None,
        }]));
        if head % 1000 == 0 {
            // The hub hears them one by one, and the bus of one process keeps only so many.
            sleep(Duration::from_millis(2)).await;
        }
    }
    let (mut told, mut head) = (0_u64, 0);
    let read = async {
        while head < MOVES {
            for down in node.down.next().await.unwrap().unwrap() {
                if let Down::Head { notice, .. } = down {
                    assert!(notice.head.0 > head, "{notice:?} came after {head}");
                    head = notice.head.0;
                    told += 1;
                }
            }
        }
    };
    timeout(PATIENCE, read).await.expect("the last head was not told");
    assert!(told < MOVES / 100, "{told} heads of one user waited for a node that did not read");
    eprintln!("of {MOVES} heads {told} were told to a node that did not read");
    drop(node);
    system.shutdown().await;
}
