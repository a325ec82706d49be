use std::time::Duration;

use nudge_client_sdk::{ChangeKind, ConversationSeq, Event, Role, UpdateKind};
use nudge_harness::{System, SystemBuilder};

use super::support::{device, until};

/// Each test with signal and fetch joined within the process, and by gRPC as two processes are.
macro_rules! however_joined {
    ($($name:ident),* $(,)?) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::System::builder()).await;
            })*
        }

        mod over_grpc {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::System::builder().watch_over_grpc()).await;
            })*
        }
    };
}

however_joined! {
    a_text_arrives_and_comes_back_as_a_receipt,
    who_was_away_gets_everything_in_order_and_once,
    all_devices_of_both_sides_get_a_message_and_the_sending_one_only_its_outcome,
    a_group_tells_its_members_of_messages_and_changes,
    typing_passes_by,
    p4_with_every_bus_message_lost_everything_arrives_within_a_heartbeat,
    p4_a_connection_that_died_silently_costs_a_heartbeat_and_no_message,
    everything_works_over_tls,
    services_may_restart_at_any_time,
}

async fn a_text_arrives_and_comes_back_as_a_receipt(joined: SystemBuilder) {
    let system = joined.start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    let sent = ada.send(talk.id, "Hello Bob").await;
    let message = bob.next_message().await;
    assert_eq!(message.text(), Some("Hello Bob"));
    assert_eq!((message.id, message.seq), (sent.message_id, sent.seq));
    let sender = bob.client.member(message.conversation_id, message.sender_id).await.unwrap();
    assert_eq!(sender.handle, "ada");
    bob.client.mark_read(talk.id, message.seq).await.unwrap();
    let read = ada
        .expect(|event| match event {
            Event::Update(update) => match update.kind {
                UpdateKind::Receipt(receipt) if receipt.read >= sent.seq => Some(receipt),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert_eq!((read.conversation_id, read.delivered), (talk.id, sent.seq));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

async fn who_was_away_gets_everything_in_order_and_once(joined: SystemBuilder) {
    let system = joined.start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let mut bob = bob.restarted(&system).await;
    let first = ada.send(talk.id, "0").await;
    assert_eq!(bob.next_texts(1).await, ["0"]);
    let folder = {
        let super::support::Device { client, folder, .. } = bob;
        client.close().await;
        folder
    };
    let mut last = first;
    for n in 1..700 {
        let message = ada.client.send_text(talk.id, &n.to_string()).await.unwrap();
        if n == 699 {
            last = ada.client.sent(message).await.unwrap();
        }
    }
    let client = nudge_client_sdk::Client::open(super::support::config(&system, folder.path()))
        .await
        .unwrap();
    let events = client.events();
    let mut bob = super::support::Device { client, events, folder };
    let texts = bob.next_texts(699).await;
    let expected: Vec<_> = (1..700).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    assert_eq!(last.seq, ConversationSeq(700));
    bob.client.close().await;
    ada.client.close().await;
    system.shutdown().await;
}

async fn all_devices_of_both_sides_get_a_message_and_the_sending_one_only_its_outcome(
    joined: SystemBuilder,
) {
    let system = joined.start().await.unwrap();
    let mut ada = device(&system, "ada").await;
    let mut ada_laptop = device(&system, "ada").await;
    let (mut bob, mut bob_laptop) = (device(&system, "bob").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let sent = ada.send(talk.id, "to all").await;
    for device in [&mut ada_laptop, &mut bob, &mut bob_laptop] {
        assert_eq!(device.next_message().await.id, sent.message_id);
    }
    // Whatever else arrives at the sending device, it is not its own message.
    bob.send(talk.id, "back").await;
    assert_eq!(ada.next_message().await.text(), Some("back"));
    for device in [ada, ada_laptop, bob, bob_laptop] {
        device.client.close().await;
    }
    system.shutdown().await;
}

async fn a_group_tells_its_members_of_messages_and_changes(joined: SystemBuilder) {
    let system = joined.start().await.unwrap();
    let ada = device(&system, "ada").await;
    let (mut bob, mut cleo) = (device(&system, "bob").await, device(&system, "cleo").await);
    let bob_id = ada.client.find_user("bob").await.unwrap().id;
    let cleo_id = ada.client.find_user("cleo").await.unwrap().id;
    let group = ada.client.create_group("Reading", &[bob_id]).await.unwrap();
    ada.client.put_member(group.id, cleo_id, Role::Member).await.unwrap();
    let joined = |event| match event {
        Event::Update(update) => match update.kind {
            UpdateKind::Change(change) => match change.kind {
                ChangeKind::Joined(who, Role::Member) => Some(who),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    assert_eq!(bob.expect(joined).await, cleo_id);
    assert_eq!(cleo.expect(joined).await, cleo_id);
    let sent = ada.send(group.id, "Chapter one").await;
    assert_eq!(bob.next_message().await.id, sent.message_id);
    assert_eq!(cleo.next_message().await.id, sent.message_id);
    let listed = cleo.client.conversations().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].title.as_str(), listed[0].member_count, listed[0].unread_count),
        ("Reading", 3, 1)
    );
    for device in [ada, bob, cleo] {
        device.client.close().await;
    }
    system.shutdown().await;
}

async fn typing_passes_by(joined: SystemBuilder) {
    let system = joined.start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    // Before the first message nothing tells him of the conversation.
    ada.send(talk.id, "wait").await;
    ada.client.typing(talk.id).await.unwrap();
    let seen = bob.expect(|event| match event {
        Event::Typing { conversation_id, .. } => Some(conversation_id),
        _ => None,
    });
    assert_eq!(seen.await, talk.id);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

async fn p4_with_every_bus_message_lost_everything_arrives_within_a_heartbeat(
    joined: SystemBuilder,
) {
    let system = joined.deaf_bus().heartbeat(Duration::from_secs(1)).start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    for n in 0..5 {
        ada.send(talk.id, &n.to_string()).await;
        assert_eq!(bob.next_texts(1).await, [n.to_string()]);
    }
    assert!(system.bus().lost() >= 5);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

async fn p4_a_connection_that_died_silently_costs_a_heartbeat_and_no_message(
    joined: SystemBuilder,
) {
    let system = joined.signal_proxy().heartbeat(Duration::from_secs(1)).start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    system.signal_proxy().black_hole();
    ada.send(talk.id, "into the dark").await;
    bob.client.network_changed();
    assert_eq!(bob.next_texts(1).await, ["into the dark"]);
    system.signal_proxy().restore();
    system.signal_proxy().cut();
    ada.send(talk.id, "after a cut").await;
    assert_eq!(bob.next_texts(1).await, ["after a cut"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_by_polling_while_there_is_no_signaling_at_all() {
    let system = System::builder().start().await.unwrap();
    let ada = device(&system, "ada").await;
    system.stop_signal().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = super::support::config(&system, folder.path());
    config.poll_interval = Duration::from_millis(100);
    device(&system, "bob").await.client.close().await;
    let client = nudge_client_sdk::Client::open(config).await.unwrap();
    client.log_in("bob", nudge_harness::system::PASSWORD).await.unwrap();
    let events = client.events();
    let mut bob = super::support::Device { client, events, folder };
    let talk = ada.direct_with("bob").await;
    let sent = ada.send(talk.id, "by polling").await;
    assert_eq!(bob.next_texts(1).await, ["by polling"]);
    // The acknowledgement takes the same way.
    let bob_id = ada.client.find_user("bob").await.unwrap().id;
    until(async || {
        let marks = ada.client.receipts(talk.id).await.unwrap();
        marks.iter().any(|marks| marks.user_id == bob_id && marks.delivered >= sent.seq)
    })
    .await;
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

async fn everything_works_over_tls(joined: SystemBuilder) {
    let system = joined.tls().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    ada.send(talk.id, "in private").await;
    assert_eq!(bob.next_texts(1).await, ["in private"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

async fn services_may_restart_at_any_time(joined: SystemBuilder) {
    let system = joined.start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    bob.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    for round in 0..4 {
        let message = ada.client.send_text(talk.id, &format!("{round}")).await.unwrap();
        match round {
            0 => system.restart_fetch().await.unwrap(),
            1 => system.restart_signal().await.unwrap(),
            2 => {
                system.abort_signal().await;
                system.start_signal().await.unwrap();
            }
            _ => system.restart().await.unwrap(),
        }
        ada.client.sent(message).await.unwrap();
        assert_eq!(bob.next_texts(1).await, [format!("{round}")]);
    }
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}
