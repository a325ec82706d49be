//! What is held, and what its streams are told.

use super::*;

const STREAM: StreamId = 1;

fn hold(session: SessionKey, device_id: DeviceId, instance: u64, attempt: u32) -> HeldSession {
    let hold = Hold {
        session,
        user_id: UserId::random(),
        device_id,
        instance,
        attempt,
        ticket_issued_at_s: 0,
        acked: None,
        known: None,
        late: false,
    };
    HeldSession::new(STREAM, Arc::default(), &hold)
}

#[test]
fn a_late_older_attempt_is_refused_and_the_newer_one_stays() {
    let (user, device) = (UserId::random(), DeviceId::random());
    let mut held = Held::default();
    held.insert(user, hold(1, device, 9, 2)).unwrap();
    let refused = Err(NotHeld::Older(CloseCode::Superseded));
    assert_eq!(held.insert(user, hold(2, device, 9, 1)), refused);
    assert_eq!(held.sessions(user).len(), 1);
    held.insert(user, hold(3, device, 8, 1)).unwrap();
    assert_eq!(held.sessions(user)[0].key, 3);
}

#[test]
fn letting_a_displaced_session_go_leaves_its_successor() {
    let (user, device) = (UserId::random(), DeviceId::random());
    let mut held = Held::default();
    held.insert(user, hold(1, device, 9, 1)).unwrap();
    held.insert(user, hold(2, device, 9, 2)).unwrap();
    held.remove(1, 1);
    assert_eq!(held.sessions(user)[0].key, 2);
    held.remove(1, 2);
    assert_eq!(held.len(), 0);
}

#[tokio::test]
async fn a_connection_that_moves_to_another_stream_is_not_told_that_it_has_gone() {
    let (user, device) = (UserId::random(), DeviceId::random());
    let mut held = Held::default();
    let first = hold(1, device, 9, 2);
    let down = Arc::clone(&first.down);
    held.insert(user, first).unwrap();
    held.insert(user, HeldSession { stream: 2, ..hold(1, device, 9, 2) }).unwrap();
    assert_eq!((held.holds(1, 1), held.holds(2, 1)), (false, true));
    down.close();
    assert_eq!(down.next().await, None);
}

#[test]
fn a_key_names_one_session_of_its_stream() {
    let user = UserId::random();
    let (phone, laptop) = (DeviceId::random(), DeviceId::random());
    let mut held = Held::default();
    held.insert(user, hold(1, phone, 9, 1)).unwrap();
    assert_eq!(held.insert(user, hold(1, laptop, 9, 1)), Err(NotHeld::KeyInUse));
    // Held once more it is the same.
    held.insert(user, hold(1, phone, 9, 1)).unwrap();
    assert_eq!(held.sessions(user).len(), 1);
}

#[test]
fn sessions_are_paged_by_user_without_gap_or_overlap() {
    let mut held = Held::default();
    let mut users: Vec<_> = (0..7).map(|_| UserId::random()).collect();
    users.sort_unstable();
    for (key, user) in (1..).zip(users.iter().rev()) {
        held.insert(*user, hold(key, DeviceId::random(), 1, 1)).unwrap();
    }
    held.insert(users[1], hold(99, DeviceId::random(), 1, 1)).unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = held.page(after, 2);
        seen.extend(page.sessions.iter().map(|session| session.user_id));
        after = seen.last().copied();
        if !page.more {
            break;
        }
    }
    users.insert(1, users[1]);
    assert_eq!(seen, users);
}

#[test]
fn p4_in_a_new_epoch_heads_below_those_of_the_former_are_told_and_the_former_s_are_not() {
    let user = UserId::random();
    let mut held = Held::default();
    let session = hold(1, DeviceId::random(), 9, 1);
    let down = Arc::clone(&session.down);
    held.insert(user, session).unwrap();
    let tells = |held: &mut Held, epoch, head| {
        let (epoch, head) = (Epoch(epoch), InboxSeq(head));
        let state = DeviceState { revoked: false, epoch, head, newest_message: None };
        held.tell_state(user, &state, None);
        futures::FutureExt::now_or_never(down.next()).is_some()
    };
    assert!(!held.learn_epoch(Epoch(1)), "before the first nobody was told anything");
    assert!(tells(&mut held, 1, 9));
    assert!(!tells(&mut held, 1, 4));
    assert!(held.learn_epoch(Epoch(2)));
    assert!(!tells(&mut held, 1, 10), "it was read before the new epoch began");
    assert!(tells(&mut held, 2, 4));
    assert!(!held.learn_epoch(Epoch(2)) && !held.learn_epoch(Epoch(1)));
}

#[test]
fn p4_a_move_of_a_former_epoch_is_not_told_and_hides_none_of_the_present_one() {
    let user_id = UserId::random();
    let mut held = Held::default();
    let session = hold(1, DeviceId::random(), 9, 1);
    let down = Arc::clone(&session.down);
    held.insert(user_id, session).unwrap();
    let moved = |epoch, head| Moved {
        user_id,
        epoch,
        notice: Notice { head: InboxSeq(head), ..Notice::default() },
        except_device_id: None,
        trace: None,
    };
    let told = || {
        let batch = futures::FutureExt::now_or_never(down.next()).flatten().unwrap_or_default();
        batch.iter().map(|down| format!("{down:?}")).collect::<String>()
    };
    let (former, present) = (Some(Epoch(1)), Some(Epoch(2)));
    held.learn_epoch(Epoch(1));
    held.learn_epoch(Epoch(2));
    assert!(!held.tell_head(&moved(former, 9)));
    assert_eq!(told(), "");
    let state = |head| DeviceState {
        revoked: false,
        epoch: Epoch(2),
        head: InboxSeq(head),
        newest_message: None,
    };
    held.tell_state(user_id, &state(4), None);
    assert!(told().contains("InboxSeq(4)"), "the former's head counts for nothing");
    for (epoch, head) in [(present, 5), (None, 6), (Some(Epoch(3)), 7)] {
        assert!(held.tell_head(&moved(epoch, head)), "{epoch:?}");
        assert!(told().contains(&format!("InboxSeq({head})")), "{epoch:?}");
    }
}
