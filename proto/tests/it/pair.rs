//! Both ends against each other, over a wire that loses, delays and cuts.

use std::time::Duration;

use nudge_proto::{CloseCode, Cursor, Epoch, InboxSeq, limits};
use proptest::{collection::vec, prelude::*};

use crate::{
    clock::{ms, s},
    world::{Act, HEARTBEAT, KEY_OVERLAP, RECONNECT_MAX, World},
};

/// What a program needs to pull and store what it has heard of, in good weather.
const PULL: Duration = s(1);
/// The longest go_away window of these tests.
const WINDOW_MAX_MS: u32 = 10_000;
/// A silent connection is found out, left, waited for, and another one made.
const RECOVERY: Duration =
    limits::WELCOME_TIMEOUT.saturating_add(RECONNECT_MAX).saturating_add(s(15));

fn act() -> impl Strategy<Value = Act> {
    let time = |longest_ms: u64| (0..longest_ms).prop_map(ms);
    let traffic = prop_oneof![
        (1..80u64).prop_map(Act::Send),
        Just(Act::SendOwn),
        Just(Act::Type),
        Just(Act::NetworkChanged),
    ];
    let wire = prop_oneof![
        (0..120usize).prop_map(Act::CutUpward),
        (0..120usize).prop_map(Act::CutDownward),
        Just(Act::Freeze),
        Just(Act::ResetClient),
        time(20_000).prop_map(Act::SlowUpward),
        time(60_000).prop_map(Act::Outage),
        time(40_000).prop_map(Act::Stall),
        time(25_000).prop_map(Act::Slow),
        Just(Act::Split),
    ];
    let service = prop_oneof![
        (0..=100u32).prop_map(Act::BusLoss),
        (0..=100u32).prop_map(Act::BusDouble),
        time(5_000).prop_map(Act::WatchJitter),
        Just(Act::WatchDown),
        Just(Act::WatchUp),
        Just(Act::NodeRestarts),
        (0..WINDOW_MAX_MS, 0..WINDOW_MAX_MS, 0..5_000u32)
            .prop_map(|(min_ms, max_ms, deadline_ms)| Act::GoAway { min_ms, max_ms, deadline_ms }),
        (0..100u64).prop_map(Act::Restore),
        Just(Act::RotateKeys),
        Just(Act::RefreshDown),
        Just(Act::RefreshUp),
    ];
    prop_oneof![3 => traffic, 3 => wire, 2 => service]
}

/// What happens, each a while after the one before: mostly soon, sometimes much later.
fn script() -> impl Strategy<Value = Vec<(Duration, Act)>> {
    let gap = prop_oneof![0..200u64, 0..5_000u64, 0..100_000u64].prop_map(ms);
    vec((gap, act()), 0..40)
}

fn play(world: &mut World, script: &[(Duration, Act)]) {
    for (gap, act) in script {
        world.run(*gap);
        world.act(act);
    }
}

/// A world is cheap: four times as many as usual, or as `PROPTEST_CASES` says.
fn many_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases * 4, ..usual }
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn p4_a_client_learns_the_head_within_a_heartbeat_of_good_weather(
        seed in any::<u64>(),
        script in script(),
    ) {
        let mut world = World::with_program(seed);
        play(&mut world, &script);
        world.heal();
        let head = world.head();
        // A connection that is whole has one heartbeat; one that is not has to be found out and left.
        let limit = if world.is_sound(0) { HEARTBEAT + PULL } else { HEARTBEAT + RECOVERY };
        world.run_until(limit, "the head", |world| world.has_stored(0, head));
        assert_settles(&mut world);
    }
}

/// In good weather everything comes to rest: one connection, everything acknowledged, nothing refused
/// that this client said.
fn assert_settles(world: &mut World) {
    world.run(HEARTBEAT * 2 + RECOVERY);
    let program = &world.programs[0];
    assert_eq!(program.ended, None, "an honest client was sent away for good");
    assert!(program.session.is_open());
    assert!(world.has_stored(0, world.head()), "{:?} of {}", program.stored, world.head());
    assert_eq!(world.store.acked, world.store.head, "what is stored is acknowledged");
    assert_eq!(world.connections(), 1, "old connections are let go");
    let epoch = world.store.epoch;
    let refused = world.store.refused.iter().find(|cursor| cursor.epoch == epoch);
    assert_eq!(refused, None, "an ack above the head");
}

#[test]
fn p4_with_every_bus_message_dropped_the_head_is_learned_within_a_heartbeat() {
    for seed in 0..50 {
        let mut world = World::connected(seed);
        world.act(&Act::BusLoss(100));
        for _ in 0..20 {
            world.run(ms(seed * 991));
            world.act(&Act::Send(1));
            let head = world.head();
            world.run_until(HEARTBEAT + PULL, "the head", |world| world.has_stored(0, head));
        }
        assert_eq!(world.programs[0].welcomes, 1);
    }
}

#[test]
fn p4_without_a_watch_the_inbox_is_polled_at_heartbeat_pace() {
    let mut world = World::connected(1);
    world.act(&Act::WatchDown);
    for _ in 0..10 {
        world.act(&Act::Send(1));
        let head = world.head();
        world.run_until(HEARTBEAT + PULL, "the head", |world| world.has_stored(0, head));
    }
    let polls = world.programs[0].polls;
    assert!((10..=11).contains(&polls), "{polls} polls");
    assert_eq!(world.programs[0].welcomes, 1, "the connection stays");
}

#[test]
fn a_message_is_noticed_at_once_when_all_is_well() {
    let mut world = World::connected(1);
    for _ in 0..100 {
        world.act(&Act::Send(1));
        let head = world.head();
        let took = world.run_until(s(1), "the head", |world| world.has_stored(0, head));
        assert!(took < ms(400), "{took:?}");
    }
}

#[test]
fn the_conversation_survives_a_cut_at_any_byte() {
    // Hello, ack and ping upward; welcome, notice and pong downward: each is cut at each of its bytes.
    for (cut, bytes) in [(Act::CutUpward as fn(usize) -> Act, 160), (Act::CutDownward, 120)] {
        for at in 0..bytes {
            let mut world = World::with_program(at as u64);
            world.act(&cut(at));
            world.run(s(1));
            world.act(&Act::Send(3));
            world.run(HEARTBEAT);
            world.heal();
            let head = world.head();
            world.run_until(HEARTBEAT + RECOVERY, "the head", |world| world.has_stored(0, head));
            assert!(world.programs[0].welcomes >= 1);
            assert_settles(&mut world);
        }
    }
}

#[test]
fn bytes_that_come_one_by_one_say_the_same() {
    let mut world = World::with_program(1);
    world.act(&Act::Split);
    for _ in 0..20 {
        world.act(&Act::Send(7));
        world.run(s(30));
    }
    assert_eq!(world.programs[0].welcomes, 1);
    assert_settles(&mut world);
}

mod two_connections_of_one_run {
    use super::*;

    #[test]
    fn the_newer_supersedes_the_one_that_the_node_still_believes_in() {
        let mut world = World::connected(1);
        world.act(&Act::ResetClient);
        world.run_until(s(2), "a second welcome", |world| world.programs[0].welcomes == 2);
        world.run(s(1));
        assert_eq!(world.connections(), 1, "the old one closes");
        assert_eq!(world.programs[0].welcomes, 2, "and the client does not care");
        assert!(world.is_sound(0));
    }

    #[test]
    fn a_hello_that_arrives_after_its_successor_is_refused() {
        let mut world = World::with_program(1);
        world.act(&Act::SlowUpward(s(5)));
        world.run(s(1));
        // The first hello is still on its way.
        world.act(&Act::ResetClient);
        world.run_until(s(2), "a welcome", |world| world.programs[0].welcomes == 1);
        assert_eq!(world.programs[0].attempts.len(), 2);
        assert_eq!(world.connections(), 2);
        world.run(s(5));
        assert_eq!(world.connections(), 1, "the late one is refused");
        assert!(world.is_sound(0), "and the newer one stands");
        assert_eq!(world.programs[0].welcomes, 1);
    }

    #[test]
    fn a_connection_that_nobody_speaks_on_any_more_is_let_go() {
        let mut world = World::connected(1);
        world.act(&Act::Freeze);
        world.act(&Act::Outage(s(1_000)));
        world.run(HEARTBEAT * 3 / 2 + s(1));
        assert_eq!(world.connections(), 0, "the idle timeout");
        assert!(!world.programs[0].session.is_open(), "the client noticed by itself");
    }
}

mod two_programs_of_one_device {
    use super::*;

    #[test]
    fn do_not_fight() {
        let mut world = World::connected(1);
        let second = world.start_program();
        world.run(s(1));
        assert_eq!(world.programs[0].ended, Some(CloseCode::Replaced));
        world.run(s(10_000));
        assert_eq!(world.programs[0].attempts.len(), 1, "the first never comes back by itself");
        assert_eq!(world.programs[second].attempts.len(), 1);
        assert!(world.is_sound(second));
    }

    #[test]
    fn are_told_apart_from_two_attempts_of_one() {
        let mut world = World::connected(1);
        world.act(&Act::ResetClient);
        world.run(s(2));
        assert_eq!(world.programs[0].ended, None);
    }
}

mod being_sent_away {
    use super::*;

    const AWAY: Act = Act::GoAway { min_ms: 5_000, max_ms: 9_000, deadline_ms: 2_000 };

    #[test]
    fn means_coming_back_in_the_window_to_the_address_and_to_the_usual_one_after_that() {
        for seed in 0..50 {
            let mut world = World::connected(seed);
            let from = world.now;
            world.act(&AWAY);
            world.run(s(12));
            let (at, address) = &world.programs[0].attempts[1];
            // The word travels for up to a tenth of a second.
            assert!((ms(5_000)..=ms(9_100)).contains(&(*at - from)), "{:?}", *at - from);
            assert_eq!(address.as_deref(), Some("other:7400"));
            assert!(world.is_sound(0));
            world.act(&Act::ResetClient);
            world.run(s(2));
            assert_eq!(world.programs[0].attempts[2].1, None);
        }
    }

    #[test]
    fn closes_at_the_deadline_when_the_client_does_not_listen() {
        let mut world = World::connected(1);
        world.act(&Act::Freeze);
        world.act(&AWAY);
        world.run(ms(1_900));
        assert_eq!(world.connections(), 1);
        world.run(ms(400));
        assert_eq!(world.connections(), 0);
    }

    #[test]
    fn spreads_a_crowd_over_the_window() {
        let waits: Vec<_> = (0..200)
            .map(|seed| {
                let mut world = World::connected(seed);
                world.act(&AWAY);
                world.run(s(1));
                world.programs[0].waits[0]
            })
            .collect();
        for second in 5..9 {
            let crowd = waits.iter().filter(|wait| wait.as_secs() == second).count();
            assert!((30..70).contains(&crowd), "{crowd} of 200 in second {second}");
        }
    }
}

mod a_ticket {
    use super::*;

    #[test]
    fn that_is_no_longer_taken_is_renewed() {
        let mut world = World::connected(1);
        world.act(&Act::RotateKeys);
        world.run(KEY_OVERLAP);
        assert_eq!(world.programs[0].renewals, 0, "a live connection never ends by it");
        world.act(&Act::ResetClient);
        world.run(s(3));
        assert_eq!(world.programs[0].renewals, 1);
        assert!(world.is_sound(0));
    }

    #[test]
    fn that_cannot_be_renewed_for_now_is_asked_for_until_it_can() {
        let mut world = World::connected(1);
        world.act(&Act::RotateKeys);
        world.run(KEY_OVERLAP);
        world.act(&Act::RefreshDown);
        world.act(&Act::ResetClient);
        world.run(s(300));
        let renewals = world.programs[0].renewals;
        assert!((20..200).contains(&renewals), "{renewals} in five minutes");
        assert_eq!(world.programs[0].ended, None);
        world.act(&Act::RefreshUp);
        world.run(RECONNECT_MAX + s(1));
        assert!(world.is_sound(0));
    }

    #[test]
    fn of_a_revoked_device_ends_the_session_for_good() {
        let mut world = World::connected(1);
        world.revoke();
        world.run(s(1));
        assert_eq!(world.programs[0].ended, Some(CloseCode::Revoked));
        world.act(&Act::NetworkChanged);
        world.run(s(10_000));
        assert_eq!(world.programs[0].attempts.len(), 1, "it does not come back");

        let mut world = World::connected(1);
        world.act(&Act::NodeRestarts);
        world.revoke();
        world.run(HEARTBEAT + RECOVERY);
        assert_eq!(world.programs[0].ended, Some(CloseCode::Revoked), "at its next hello");
        assert_eq!(world.programs[0].attempts.len(), 2);
    }
}

mod a_client_that_takes_nothing {
    use super::*;

    #[test]
    fn is_let_go_at_the_write_deadline() {
        let mut world = World::connected(1);
        world.act(&Act::Stall(s(1_000)));
        world.act(&Act::Send(1));
        world.run(ms(19_900));
        assert_eq!(world.programs[0].waits, []);
        world.run(s(1));
        assert_eq!(world.programs[0].waits.len(), 1);
    }

    #[test]
    fn p5_gets_one_notice_for_a_thousand_messages_and_catches_up_from_its_cursor() {
        let mut world = World::connected(1);
        world.act(&Act::Stall(s(10)));
        for _ in 0..1000 {
            world.act(&Act::Send(1));
            world.run(ms(5));
        }
        assert_eq!(world.programs[0].notices, 0);
        world.run(s(10));
        // The one that was on its way when the socket filled up, and one for all the others.
        assert_eq!(world.programs[0].notices, 2);
        assert!(world.has_stored(0, world.head()));
        assert_eq!(world.programs[0].welcomes, 1);
    }
}

#[test]
fn typing_is_heard_when_all_is_well_and_dropped_when_the_client_is_slow() {
    let mut world = World::connected(1);
    for _ in 0..5 {
        world.act(&Act::Type);
        world.run(s(1));
    }
    assert_eq!(world.programs[0].typing_heard, 5);
    world.act(&Act::Stall(s(5)));
    for _ in 0..50 {
        world.act(&Act::Type);
        world.run(ms(50));
    }
    world.run(s(5));
    assert_eq!(world.programs[0].typing_heard, 7, "the one on its way, and the newest");
}

#[test]
fn a_restored_store_is_read_again_from_its_start() {
    let mut world = World::connected(1);
    world.act(&Act::Send(100));
    world.run(s(2));
    world.act(&Act::Restore(40));
    world.run(HEARTBEAT + RECOVERY);
    assert_eq!(world.programs[0].stored, Some(Cursor { epoch: Epoch(2), seq: InboxSeq(60) }));
    assert_eq!(world.programs[0].ended, None);
    assert_settles(&mut world);
}
