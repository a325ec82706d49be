use nudge_harness::{
    History, Violation,
    history::{AcknowledgedSend, ObservedPage, Place, SeenEntry},
};
use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, Epoch, InboxSeq, MessageId, UserId,
};

#[test]
fn a_clean_history_holds_and_is_summed_up() {
    let world = World::new();
    let summary = world.history().verify().unwrap();
    assert_eq!((summary.sends, summary.devices, summary.pages, summary.messages), (3, 2, 4, 3));
}

#[test]
fn reading_a_page_again_after_a_crash_is_no_contradiction() {
    let world = World::new();
    let mut history = world.history();
    history.observed(world.page(0, 2..=3));
    history.verify().unwrap();
}

#[test]
fn a_lost_message_is_found() {
    let world = World::new();
    let mut history = world.empty();
    world.acknowledge_all(&mut history);
    for device in 0..2 {
        let mut page = world.page(device, 1..=3);
        page.entries.remove(2);
        history.observed(page);
    }
    let found = violations(&history);
    assert!(found.iter().any(|violation| matches!(violation, Violation::Lost { .. })), "{found:?}");
}

#[test]
fn an_inbox_that_lost_everything_is_found() {
    let world = World::new();
    let mut history = world.empty();
    world.acknowledge_all(&mut history);
    for device in 0..2 {
        let mut page = world.page(device, 1..=3);
        page.entries.clear();
        history.observed(page);
    }
    assert_eq!(violations(&history).len(), 6);
}

#[test]
fn a_member_whose_inbox_nobody_read_is_found() {
    let world = World::new();
    let mut history = world.history();
    let silent = UserId::random();
    history.conversation(world.conversation, [silent]);
    assert_eq!(violations(&history), [Violation::NeverRead { user_id: silent }]);
}

#[test]
fn a_send_that_became_two_messages_is_found() {
    let world = World::new();
    let mut history = world.history();
    let mut page = world.page(0, 3..=3);
    page.after = InboxSeq(3);
    page.through = InboxSeq(4);
    page.head = InboxSeq(4);
    let SeenEntry::Message { sender_id, client_message_id, .. } = page.entries[0].1 else {
        unreachable!("the world holds messages only")
    };
    let place = Place {
        id: MessageId::random(),
        conversation_id: world.conversation,
        conversation_seq: ConversationSeq(4),
    };
    page.entries[0] = (InboxSeq(4), SeenEntry::Message { place, sender_id, client_message_id });
    history.observed(page);
    let found = violations(&history);
    assert!(
        found.iter().any(|violation| matches!(violation, Violation::SentTwice { .. })),
        "{found:?}"
    );
}

#[test]
fn another_answer_to_a_retry_is_found() {
    let world = World::new();
    let mut history = world.history();
    let mut retry = world.sends[0];
    retry.message_id = MessageId::random();
    history.acknowledged(retry);
    let found = violations(&history);
    assert!(matches!(found[0], Violation::AnswerChanged { .. }), "{found:?}");
}

#[test]
fn devices_that_see_different_orders_are_found() {
    let world = World::new();
    let mut history = world.empty();
    world.acknowledge_all(&mut history);
    history.observed(world.page(0, 1..=3));
    let mut swapped = world.page(1, 1..=3);
    let (first, second) = (swapped.entries[0].1, swapped.entries[1].1);
    (swapped.entries[0].1, swapped.entries[1].1) = (second, first);
    history.observed(swapped);
    let found = violations(&history);
    assert!(found.iter().any(|violation| matches!(violation, Violation::InboxDiffers { .. })));
    assert!(found.iter().any(|violation| matches!(violation, Violation::ConversationGap { .. })));
}

#[test]
fn what_appears_at_a_number_that_was_passed_is_found() {
    let world = World::new();
    let mut history = world.empty();
    world.acknowledge_all(&mut history);
    let mut early = world.page(0, 1..=3);
    early.entries.remove(1);
    history.observed(early);
    history.observed(world.page(1, 1..=3));
    let found = violations(&history);
    assert!(found.iter().any(|violation| matches!(violation, Violation::AppearedLate { .. })));
}

#[test]
fn a_page_that_skips_numbers_is_found() {
    let world = World::new();
    let mut history = world.empty();
    history.observed(world.page(0, 1..=1));
    history.observed(world.page(0, 3..=3));
    let found = violations(&history);
    assert!(found.iter().any(|violation| matches!(violation, Violation::PageSkips { .. })));
}

#[test]
fn a_later_send_with_a_lower_number_is_found() {
    let world = World::new();
    let mut history = world.empty();
    history.acknowledged(world.sends[1]);
    history.acknowledged(AcknowledgedSend { begun_after: 1, ..world.sends[0] });
    let found = violations(&history);
    // And nobody looked.
    assert!(
        matches!(found[..], [Violation::OrderReversed { .. }, Violation::NeverRead { .. }]),
        "{found:?}"
    );
}

#[test]
fn sends_under_way_at_the_same_time_and_retries_may_be_answered_in_any_order() {
    let world = World::new();
    let mut history = world.history();
    history.acknowledged(AcknowledgedSend { begun_after: 0, ..world.sends[0] });
    history.verify().unwrap();
}

#[test]
fn a_sender_s_answer_that_names_another_entry_s_number_is_found() {
    let world = World::new();
    let mut history = world.history();
    let mut send = AcknowledgedSend { sender_id: world.user, ..world.sends[0] };
    history.acknowledged(send);
    history.verify().unwrap();
    send.client_message_id = ClientMessageId::random();
    send.inbox_seq = Some(InboxSeq(2));
    history.acknowledged(send);
    let found = violations(&history);
    assert!(matches!(found[..], [Violation::AnswerMisplaced { .. }]), "{found:?}");
}

#[test]
fn a_page_that_was_under_way_may_tell_what_a_newer_one_passed() {
    let world = World::new();
    let mut history = world.empty();
    let mut page = world.page(0, 1..=3);
    page.entries.remove(1);
    history.observed(page);
    history.observed(ObservedPage { asked_after: 0, ..world.page(1, 1..=3) });
    let late = |violation: &Violation| matches!(violation, Violation::AppearedLate { .. });
    assert!(!violations(&history).iter().any(late));
}

#[test]
fn a_history_that_stops_before_the_head_does_not_count() {
    let world = World::new();
    let mut history = world.empty();
    history.observed(world.page(0, 1..=2));
    let found = violations(&history);
    assert!(matches!(found[..], [Violation::NotReadToTheEnd { .. }]), "{found:?}");
}

/// One user with two devices, and three messages to him.
struct World {
    user: UserId,
    devices: [DeviceId; 2],
    conversation: ConversationId,
    sends: Vec<AcknowledgedSend>,
}

impl World {
    fn new() -> Self {
        let (sender_id, conversation_id) = (UserId::random(), ConversationId::random());
        let send = |seq| AcknowledgedSend {
            sender_id,
            client_message_id: ClientMessageId::random(),
            message_id: MessageId::random(),
            conversation_id,
            conversation_seq: ConversationSeq(seq),
            inbox_seq: Some(InboxSeq(seq)),
            begun_after: 0,
        };
        Self {
            user: UserId::random(),
            devices: [DeviceId::random(), DeviceId::random()],
            conversation: conversation_id,
            sends: (1..=3).map(send).collect(),
        }
    }

    fn empty(&self) -> History {
        let mut history = History::default();
        history.conversation(self.conversation, [self.user]);
        history
    }

    fn history(&self) -> History {
        let mut history = self.empty();
        self.acknowledge_all(&mut history);
        for device in 0..2 {
            history.observed(self.page(device, 1..=1));
            history.observed(self.page(device, 2..=3));
        }
        history
    }

    fn acknowledge_all(&self, history: &mut History) {
        self.sends.iter().for_each(|send| history.acknowledged(*send));
    }

    fn page(&self, device: usize, numbers: std::ops::RangeInclusive<u64>) -> ObservedPage {
        let entry = |seq: u64| {
            let send = self.sends[seq as usize - 1];
            let place = Place {
                id: send.message_id,
                conversation_id: send.conversation_id,
                conversation_seq: send.conversation_seq,
            };
            let (sender_id, client_message_id) = (send.sender_id, send.client_message_id);
            (InboxSeq(seq), SeenEntry::Message { place, sender_id, client_message_id })
        };
        ObservedPage {
            user_id: self.user,
            device_id: self.devices[device],
            epoch: Epoch(1),
            after: InboxSeq(numbers.start() - 1),
            through: InboxSeq(*numbers.end()),
            head: InboxSeq(3),
            asked_after: usize::MAX,
            entries: numbers.map(entry).collect(),
        }
    }
}

fn violations(history: &History) -> Vec<Violation> {
    history.verify().expect_err("a contradiction must be found").violations
}
