use nudge_harness::{
    Violation,
    history::{Content, Deliveries, Told},
};
use nudge_proto::{ClientMessageId, ConversationId, ConversationSeq, MessageId, UserId};

#[test]
fn what_reached_everybody_once_in_order_and_unchanged_holds() {
    let world = World::new();
    let mut deliveries = world.sent();
    for seq in 1..=2 {
        world.deliver(&mut deliveries, seq);
    }
    assert_eq!(deliveries.missing(), 0);
    assert_eq!(deliveries.verify(), []);
}

#[test]
fn what_is_told_again_after_a_restart_is_no_repetition() {
    let world = World::new();
    let mut deliveries = world.sent();
    for seq in [1, 1, 2, 1, 2] {
        world.deliver(&mut deliveries, seq);
    }
    assert_eq!(deliveries.verify(), []);
}

#[test]
fn a_message_that_one_member_never_heard_of_is_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    world.deliver(&mut deliveries, 1);
    assert_eq!(deliveries.missing(), 1);
    let found = deliveries.verify();
    assert!(matches!(found[..], [Violation::NeverTold { .. }]), "{found:?}");
}

#[test]
fn a_message_at_two_places_is_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    world.deliver(&mut deliveries, 1);
    world.deliver(&mut deliveries, 2);
    deliveries.told(world.reader, Told { position: 9, seq: ConversationSeq(3), ..world.told(2) });
    let found = deliveries.verify();
    assert!(matches!(found[..], [Violation::ToldTwice { first: 2, second: 9, .. }]), "{found:?}");
}

#[test]
fn another_message_at_a_place_that_is_told_again_is_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    world.deliver(&mut deliveries, 1);
    world.deliver(&mut deliveries, 2);
    let other = Told { message_id: MessageId::random(), ..world.told(1) };
    deliveries.told(world.reader, other);
    let found = deliveries.verify();
    assert!(matches!(found[..], [Violation::ToldInstead { position: 1, .. }]), "{found:?}");
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    world.deliver(&mut deliveries, 1);
    world.deliver(&mut deliveries, 2);
    let client_message_id = ClientMessageId::random();
    let (position, seq, message_id) = (3, ConversationSeq(3), MessageId::random());
    let made_up = Told { position, seq, message_id, client_message_id, ..world.told(2) };
    deliveries.told(world.reader, made_up);
    let found = deliveries.verify();
    assert!(matches!(found[..], [Violation::NeverGiven { .. }]), "{found:?}");
}

#[test]
fn another_order_than_the_conversations_is_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    for (position, seq) in [(1, 2), (2, 1)] {
        deliveries.told(world.reader, Told { position, ..world.told(seq) });
        deliveries.downloaded(world.reader, world.client_ids[seq as usize - 1], DIGEST);
    }
    let found = deliveries.verify();
    assert!(matches!(found[..], [Violation::ToldOutOfOrder { .. }]), "{found:?}");
}

#[test]
fn a_changed_text_and_a_changed_or_missing_medium_are_found() {
    let world = World::new();
    let mut deliveries = world.sent();
    deliveries.told(world.reader, Told { text: "no, 1".to_owned(), ..world.told(1) });
    deliveries.downloaded(world.reader, world.client_ids[0], [8; 32]);
    deliveries.told(world.reader, world.told(2));
    let found = deliveries.verify();
    assert!(
        matches!(
            found[..],
            [
                Violation::ContentDiffers { what: "the text", .. },
                Violation::ContentDiffers { what: "a medium", .. },
                Violation::MediumMissing { .. }
            ]
        ),
        "{found:?}"
    );
}

const DIGEST: [u8; 32] = [7; 32];

/// Two messages with a file each, from one member to the other.
struct World {
    sender: UserId,
    reader: UserId,
    conversation: ConversationId,
    client_ids: [ClientMessageId; 2],
    ids: [MessageId; 2],
}

impl World {
    fn new() -> Self {
        Self {
            sender: UserId::random(),
            reader: UserId::random(),
            conversation: ConversationId::random(),
            client_ids: [ClientMessageId::random(), ClientMessageId::random()],
            ids: [MessageId::random(), MessageId::random()],
        }
    }

    fn sent(&self) -> Deliveries {
        let mut deliveries = Deliveries::default();
        deliveries.conversation(self.conversation, [self.sender, self.reader]);
        for (number, id) in (1..).zip(self.client_ids) {
            let content = Content { text: format!("text {number}"), media: vec![DIGEST] };
            deliveries.given(id, content);
            deliveries.settled(id, self.sender, self.conversation, self.ids[number - 1]);
        }
        deliveries
    }

    fn told(&self, seq: u64) -> Told {
        let at = seq as usize - 1;
        Told {
            position: seq,
            message_id: self.ids[at],
            client_message_id: self.client_ids[at],
            conversation_id: self.conversation,
            seq: ConversationSeq(seq),
            text: format!("text {seq}"),
            media: 1,
        }
    }

    fn deliver(&self, deliveries: &mut Deliveries, seq: u64) {
        deliveries.told(self.reader, self.told(seq));
        deliveries.downloaded(self.reader, self.client_ids[seq as usize - 1], DIGEST);
    }
}
