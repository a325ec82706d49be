use std::{fs, time::Duration};

use nudge_client_sdk::{Event, UpdateKind};
use nudge_harness::{System, system::Leaks};
use nudge_proto::ClientMessageId;
use tokio::time::{Instant, timeout};

/// Longer than anything here takes, shorter than anyone's patience.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_system_starts_and_stops_in_well_under_a_second() {
    let began = Instant::now();
    let system = System::builder().start().await.unwrap();
    let started = began.elapsed();
    system.shutdown().await;
    // On a machine that runs other tests too.
    assert!(started < Duration::from_secs(2), "the start took {started:?}");
}

#[tokio::test]
async fn what_was_sent_is_there_after_a_restart_of_each_part_at_the_same_addresses() {
    for tls in [false, true] {
        let builder = System::builder().signal_proxy().fetch_proxy();
        let system = if tls { builder.tls() } else { builder }.start().await.unwrap();
        let (url, signal) = (system.url(), system.signal_addr());
        let (alice, bob) = (system.api("alice").await.unwrap(), system.api("bob").await.unwrap());
        let conversation = alice.direct(&bob.user().id).await.unwrap();
        for restart in 0..4 {
            let id = ClientMessageId::random();
            alice.send_text(&conversation.id, id, &format!("{restart}")).await.unwrap();
            match restart {
                0 => system.restart_fetch().await.unwrap(),
                1 => system.restart_signal().await.unwrap(),
                2 => system.restart().await.unwrap(),
                _ => system.abort_signal().await,
            }
            assert_eq!((system.url(), system.signal_addr()), (url.clone(), signal));
            let page = bob.inbox("1.0", 100).await.unwrap();
            let messages = page.entries.iter().filter(|entry| entry.message.is_some());
            assert_eq!(messages.count(), restart + 1);
        }
        system.shutdown().await;
    }
}

#[tokio::test]
async fn the_watch_comes_back_after_a_restart_of_fetch_and_after_a_cut() {
    let system = System::builder().start().await.unwrap();
    watch_is(&system, true).await;
    system.stop_fetch().await;
    watch_is(&system, false).await;
    system.start_fetch().await.unwrap();
    watch_is(&system, true).await;
    system.cut_watch();
    watch_is(&system, false).await;
    system.restore_watch();
    watch_is(&system, true).await;
    system.shutdown().await;
}

#[tokio::test]
async fn discovery_leads_through_the_proxies() {
    let system = System::builder().signal_proxy().start().await.unwrap();
    let url = format!("{}/.well-known/nudge", system.url());
    let discovery: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let transport = &discovery["transports"][0];
    assert_eq!(transport["kind"], "tcp");
    assert_eq!(transport["address"], system.signal_addr().to_string());
    assert_eq!(system.signal_addr(), system.signal_proxy().address());
    system.shutdown().await;
}

#[tokio::test]
async fn an_sdk_client_hears_from_another_with_and_without_tls() {
    for builder in [System::builder(), System::builder().tls()] {
        let system = builder.start().await.unwrap();
        let (alice, bob) =
            (system.client("alice").await.unwrap(), system.client("bob").await.unwrap());
        let mut events = bob.events();
        let bob_id = bob.user().await.unwrap().unwrap().id;
        let conversation = alice.direct(bob_id).await.unwrap();
        alice.send_text(conversation.id, "hello").await.unwrap();
        let heard = async {
            loop {
                let Some(Event::Update(update)) = events.next().await.unwrap() else { continue };
                if let UpdateKind::Message(message) = update.kind {
                    return message.text().map(str::to_owned);
                }
            }
        };
        assert_eq!(timeout(PATIENCE, heard).await.unwrap().as_deref(), Some("hello"));
        alice.close().await;
        bob.close().await;
        system.shutdown().await;
    }
}

#[tokio::test]
async fn a_part_that_runs_is_not_started_twice() {
    let system = System::builder().start().await.unwrap();
    assert!(system.start_fetch().await.is_err());
    assert!(system.start_signal().await.is_err());
    system.shutdown().await;
}

#[tokio::test]
async fn whatever_a_system_leaves_behind_is_named() {
    let system = System::builder().start().await.unwrap();
    let uploads = system.data_dir().join("objects/uploads");
    let orphan = uploads.join(nudge_proto::MediumId::random().to_string());
    fs::create_dir_all(&orphan).unwrap();
    fs::write(orphan.join("whole.1"), "half").unwrap();
    let _held = fs::File::open(orphan.join("whole.1")).unwrap();
    let signal = system.signal_addr();
    system.runtime().spawn(async move {
        // Outlives the listener of the system, at the same port.
        loop {
            if let Ok(listener) = tokio::net::TcpListener::bind(signal).await {
                let _listener = listener;
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let Err(Leaks(left)) = system.try_shutdown().await else { panic!("nothing was found") };
    let is_named = |what: &str| left.iter().any(|leak| leak.contains(what));
    for what in ["1 tasks", "a listener at", "the open file", "the half-made file", "1 objects"] {
        assert!(is_named(what), "{what:?} is not among {left:#?}");
    }
    assert_eq!(left.len(), 5, "{left:#?}");
}

async fn watch_is(system: &System, up: bool) {
    let changed = async {
        while system.signal_stats().watch_is_up != up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, changed).await.expect("the watch did not change");
}
