//! The watch over gRPC, between real services, over a line that is cut and frozen.

mod certificates;
mod misuse;
mod nodes;
mod stores;
mod storm;

use std::time::Duration;

use futures::StreamExt;
use nudge_harness::{Api, Peer, System, SystemBuilder};
use nudge_proto::{
    ClientMessageId,
    frame::{ClientFrame, ServerFrame},
    limits::{WATCH_PING_INTERVAL, WATCH_PING_TIMEOUT},
    watch::{Watch, WatchError},
};
use nudge_signal::{
    GrpcWatch, GrpcWatchConfig,
    limits::{WATCH_RETRY_MAX, WATCH_WELL_AFTER},
};
use tokio::time::{Instant, sleep, timeout};

/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_secs(2);

#[tokio::test]
async fn notices_come_over_grpc_with_and_without_tls() {
    for builder in [System::builder(), System::builder().tls()] {
        let system = builder.watch_over_grpc().start().await.unwrap();
        let mut talk = Talk::begin(&system).await;
        for head in 1..=20 {
            talk.send().await;
            assert_eq!(talk.next_head().await, head);
        }
        assert_eq!(talk.pong().await, Some(20));
        system.shutdown().await;
    }
}

#[tokio::test]
async fn p4_a_watch_that_is_cut_at_any_instant_loses_no_notice() {
    const ROUNDS: usize = 15;
    let system = through_proxy().start().await.unwrap();
    let mut talk = Talk::begin(&system).await;
    let mut delays = Vec::new();
    for _ in 0..ROUNDS {
        match fastrand::u8(..4) {
            0 => system.watch_proxy().cut(),
            1 => system.watch_proxy().to_client().cut_after(fastrand::u64(1..200)),
            2 => system.watch_proxy().to_server().cut_after(fastrand::u64(1..200)),
            _ => {
                let proxy = system.watch_proxy();
                tokio::join!(talk.send(), async {
                    sleep(Duration::from_micros(fastrand::u64(..3000))).await;
                    proxy.cut();
                });
            }
        }
        let sent_at = Instant::now();
        talk.send().await;
        while talk.next_head().await < talk.head().await {}
        delays.push(sent_at.elapsed());
        // A node that fails at once each time is asked ever less often.
        sleep(WATCH_WELL_AFTER).await;
    }
    system.watch_proxy().restore();
    delays.sort_unstable();
    eprintln!(
        "a cut delays a notice by {:?} at the median, {:?} at most",
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
    assert!(delays[delays.len() - 1] < WATCH_RETRY_MAX + SLACK);
    system.shutdown().await;
}

#[tokio::test]
async fn p4_a_watch_that_is_frozen_is_given_up_by_both_ends_within_seconds() {
    let system = through_proxy().start().await.unwrap();
    let mut talk = Talk::begin(&system).await;
    system.watch_proxy().black_hole();
    let frozen_at = Instant::now();
    talk.send().await;
    let both_know = async {
        while system.signal_stats().watch_is_up || system.held_sessions() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let noticed = WATCH_PING_INTERVAL + WATCH_PING_TIMEOUT;
    timeout(noticed + SLACK, both_know).await.expect("they still believe in it");
    eprintln!("a frozen watch was given up after {:?}", frozen_at.elapsed());
    assert_eq!(talk.pong().await, None, "without a watch no head is known");
    system.watch_proxy().restore();
    system.watch_proxy().cut();
    assert_eq!(talk.next_head().await, 1);
    assert_eq!(talk.pong().await, Some(1));
    system.shutdown().await;
}

#[tokio::test]
async fn p4_a_watch_that_is_quiet_for_long_stays() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let mut talk = Talk::begin(&system).await;
    sleep(2 * (WATCH_PING_INTERVAL + WATCH_PING_TIMEOUT)).await;
    talk.send().await;
    assert_eq!(talk.next_head().await, 1);
    assert_eq!(system.signal_stats().watch_opened, 1);
    system.shutdown().await;
}

#[tokio::test]
async fn p8_without_the_secret_or_with_another_no_watch_is_opened() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let open = async |secret: Option<&str>| {
        let config = GrpcWatchConfig {
            fetch: vec![format!("http://{}", system.private_addr()).parse().unwrap()],
            name: None,
            secret: secret.map(|secret| secret.parse().unwrap()),
            tls: None,
        };
        let watch = GrpcWatch::connect(config).unwrap();
        watch.open(futures::stream::pending().boxed()).await.err()
    };
    for (secret, why) in [(None, "none was shown"), (Some("not the secret at all"), "another one")]
    {
        let secret = secret.map(|secret| secret.replace(' ', "-"));
        let Some(WatchError::Refused(reason)) = open(secret.as_deref()).await else {
            panic!("it was opened")
        };
        assert!(reason.contains(why), "{reason}");
    }
    system.shutdown().await;
}

#[tokio::test]
async fn signal_says_why_it_has_no_watch() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    let mut talk = Talk::begin(&system).await;
    assert_eq!(system.watch_trouble(), None);
    system.stop_fetch().await;
    while talk.pong().await.is_some() {}
    let trouble = system.watch_trouble().unwrap();
    assert!(trouble.contains(&system.private_addr().to_string()), "{trouble}");
    system.start_fetch().await.unwrap();
    while talk.pong().await.is_none() {}
    assert_eq!(system.watch_trouble(), None);
    system.shutdown().await;
}

fn through_proxy() -> SystemBuilder {
    System::builder().watch_proxy()
}

/// Ada writes, and Bob's phone hears that there is something.
struct Talk {
    ada: Api,
    conversation: String,
    bob: Api,
    phone: Peer,
}

impl Talk {
    async fn begin(system: &System) -> Self {
        let (ada, bob) = (system.api("ada").await.unwrap(), system.api("bob").await.unwrap());
        let conversation = ada.direct(&bob.user().id).await.unwrap().id;
        let mut phone = system.peer().await.unwrap();
        phone.join(bob.session()).await.unwrap();
        Self { ada, conversation, bob, phone }
    }

    async fn send(&self) {
        self.ada.send_text(&self.conversation, ClientMessageId::random(), "hello").await.unwrap();
    }

    /// The head that the store has.
    async fn head(&self) -> u64 {
        self.bob.inbox("1.0", 1).await.unwrap().head
    }

    async fn next_head(&mut self) -> u64 {
        loop {
            if let ServerFrame::Notice(notice) = self.phone.hear().await.unwrap().unwrap().frame {
                return notice.head.0;
            }
        }
    }

    async fn pong(&mut self) -> Option<u64> {
        self.phone.say(&ClientFrame::Ping).await.unwrap();
        loop {
            if let ServerFrame::Pong { head } = self.phone.hear().await.unwrap().unwrap().frame {
                return head.map(|head| head.0);
            }
        }
    }
}
