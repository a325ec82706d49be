//! The rules, one function each, over values only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};

use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, DeviceId, InboxSeq, MessageId, UserId,
};

use super::{AcknowledgedSend, ObservedPage, Place, SeenEntry, Summary, Violation};

/// Everything that does not hold in a history.
pub(super) fn check(
    members: &BTreeMap<ConversationId, BTreeSet<UserId>>,
    acknowledged: &[AcknowledgedSend],
    pages: &[ObservedPage],
) -> (Summary, Vec<Violation>) {
    let mut violations = Vec::new();
    let devices = by_device(pages);
    check_answers(acknowledged, &mut violations);
    check_commit_order(acknowledged, &mut violations);
    check_epoch(pages, &mut violations);
    check_numbers(acknowledged, pages, &mut violations);
    check_places(acknowledged, pages, &mut violations);
    check_sent_once(pages, &mut violations);
    for (device_id, pages) in &devices {
        check_pages(*device_id, pages, &mut violations);
        let seen = check_view(*device_id, pages, &mut violations);
        let is_member = |send: &&AcknowledgedSend| {
            let members = members.get(&send.conversation_id);
            pages.iter().any(|page| members.is_some_and(|members| members.contains(&page.user_id)))
        };
        let due: BTreeSet<_> =
            acknowledged.iter().filter(is_member).map(|send| send.message_id).collect();
        let lost = due.difference(&seen);
        violations
            .extend(lost.map(|id| Violation::Lost { device_id: *device_id, message_id: *id }));
    }
    check_read_at_all(members, acknowledged, pages, &mut violations);
    check_read_to_the_end(&devices, &mut violations);
    (summary(acknowledged, pages, devices.len()), violations)
}

fn by_device(pages: &[ObservedPage]) -> BTreeMap<DeviceId, Vec<&ObservedPage>> {
    let mut devices = BTreeMap::<_, Vec<_>>::new();
    for page in pages {
        devices.entry(page.device_id).or_default().push(page);
    }
    devices
}

/// P2: every answer to one send is the same.
fn check_answers(acknowledged: &[AcknowledgedSend], violations: &mut Vec<Violation>) {
    let mut answers = HashMap::new();
    for send in acknowledged {
        let first = *answers.entry((send.sender_id, send.client_message_id)).or_insert(send);
        let as_first = AcknowledgedSend { begun_after: first.begun_after, ..*send };
        if *first != as_first {
            violations.push(Violation::AnswerChanged {
                client_message_id: send.client_message_id,
                first: first.message_id,
                second: send.message_id,
            });
        }
    }
}

/// P3: what was begun after another send had been answered has a higher number.
fn check_commit_order(acknowledged: &[AcknowledgedSend], violations: &mut Vec<Violation>) {
    // Per conversation: the answers at which its highest number rose, with that number.
    let mut risen = HashMap::<ConversationId, Vec<(usize, ConversationSeq, MessageId)>>::new();
    for (at, send) in acknowledged.iter().enumerate() {
        let risen = risen.entry(send.conversation_id).or_default();
        if risen.last().is_none_or(|(_, highest, _)| *highest < send.conversation_seq) {
            risen.push((at, send.conversation_seq, send.message_id));
        }
    }
    for send in acknowledged {
        let risen = &risen[&send.conversation_id];
        let before = risen.partition_point(|(at, ..)| *at < send.begun_after);
        let Some((_, highest, earlier)) = before.checked_sub(1).map(|at| risen[at]) else {
            continue;
        };
        // A retry's first try came before its own answer, too.
        if highest >= send.conversation_seq && earlier != send.message_id {
            violations.push(Violation::OrderReversed {
                conversation_id: send.conversation_id,
                earlier,
                earlier_seq: highest,
                later: send.message_id,
                later_seq: send.conversation_seq,
            });
        }
    }
}

fn check_epoch(pages: &[ObservedPage], violations: &mut Vec<Violation>) {
    let Some(first) = pages.first() else { return };
    let other = pages.iter().find(|page| page.epoch != first.epoch);
    violations.extend(
        other.map(|page| Violation::EpochChanged { before: first.epoch, after: page.epoch }),
    );
}

/// P3: a number of an inbox means the same to all devices and to the sender's answer, and what a page
/// passed stays empty.
fn check_numbers(
    acknowledged: &[AcknowledgedSend],
    pages: &[ObservedPage],
    violations: &mut Vec<Violation>,
) {
    let mut present = HashMap::<(UserId, InboxSeq), SeenEntry>::new();
    // With the page that was the first to pass it.
    let mut absent = HashMap::<(UserId, InboxSeq), usize>::new();
    for (at, page) in pages.iter().enumerate() {
        let user_id = page.user_id;
        let held: BTreeSet<_> = page.entries.iter().map(|(seq, _)| *seq).collect();
        for &(seq, entry) in &page.entries {
            let number = (user_id, seq);
            // Pages under way at the same time may arrive in either order.
            if absent.get(&number).is_some_and(|passed_at| *passed_at < page.asked_after) {
                violations.push(Violation::AppearedLate { user_id, seq, entry });
            }
            let first = *present.entry(number).or_insert(entry);
            if first != entry {
                violations.push(Violation::InboxDiffers { user_id, seq, first, second: entry });
            }
        }
        let passed = (page.after.0 + 1..=page.through.0).map(InboxSeq);
        for seq in passed.filter(|seq| !held.contains(seq)) {
            absent.entry((user_id, seq)).or_insert(at);
        }
    }
    for send in acknowledged {
        let Some(seq) = send.inbox_seq else { continue };
        let entry = present.get(&(send.sender_id, seq));
        if let Some(entry) = entry.filter(|entry| !entry.is_message(send.message_id)) {
            violations.push(Violation::AnswerMisplaced {
                user_id: send.sender_id,
                seq,
                message_id: send.message_id,
                entry: *entry,
            });
        }
    }
}

/// P3: a number of a conversation means the same in every inbox and in every answer.
fn check_places(
    acknowledged: &[AcknowledgedSend],
    pages: &[ObservedPage],
    violations: &mut Vec<Violation>,
) {
    let answered = acknowledged.iter().map(|send| Place {
        id: send.message_id,
        conversation_id: send.conversation_id,
        conversation_seq: send.conversation_seq,
    });
    let seen = pages.iter().flat_map(|page| &page.entries).filter_map(|(_, entry)| entry.place());
    let mut by_number = BTreeMap::<(ConversationId, ConversationSeq), MessageId>::new();
    let mut by_id = BTreeMap::<MessageId, Place>::new();
    for place in answered.chain(seen) {
        let number = (place.conversation_id, place.conversation_seq);
        let id = *by_number.entry(number).or_insert(place.id);
        let known = *by_id.entry(place.id).or_insert(place);
        if id != place.id || known != place {
            violations.push(Violation::ConversationDiffers {
                conversation_id: place.conversation_id,
                seq: place.conversation_seq,
                first: id,
                second: place.id,
            });
        }
    }
}

/// P2: one send is one message, in whichever inbox it stands and whether it was acknowledged or not.
fn check_sent_once(pages: &[ObservedPage], violations: &mut Vec<Violation>) {
    let mut sends = HashMap::<(UserId, ClientMessageId), MessageId>::new();
    let entries = pages.iter().flat_map(|page| &page.entries);
    for (_, entry) in entries {
        let SeenEntry::Message { place, sender_id, client_message_id } = *entry else { continue };
        let first = *sends.entry((sender_id, client_message_id)).or_insert(place.id);
        if first != place.id {
            let second = place.id;
            violations.push(Violation::SentTwice { client_message_id, first, second });
        }
    }
}

/// P3: each page starts where the one before ended, and is in order.
///
/// Reading a page once more is allowed: a client that dies before it stored a page does so.
fn check_pages(device_id: DeviceId, pages: &[&ObservedPage], violations: &mut Vec<Violation>) {
    let mut reached: Option<InboxSeq> = None;
    for page in pages {
        if let Some(expected) = reached.filter(|reached| page.after > *reached) {
            violations.push(Violation::PageSkips { device_id, expected, after: page.after });
        }
        reached = reached.max(Some(page.through));
        let mut last = page.after;
        for (seq, _) in &page.entries {
            if *seq <= last || *seq > page.through {
                let (after, through) = (page.after, page.through);
                violations.push(Violation::PageDisorder { device_id, after, through, seq: *seq });
            }
            last = *seq;
        }
    }
}

/// P3: what one device saw in all is without repetition, and tells every conversation in the order
/// of its numbers and without a gap. Returns the ids it saw.
fn check_view(
    device_id: DeviceId,
    pages: &[&ObservedPage],
    violations: &mut Vec<Violation>,
) -> BTreeSet<MessageId> {
    let view: BTreeMap<InboxSeq, SeenEntry> =
        pages.iter().flat_map(|page| page.entries.iter().copied()).collect();
    let mut places = BTreeMap::<MessageId, InboxSeq>::new();
    let mut reached = BTreeMap::<ConversationId, ConversationSeq>::new();
    for (seq, place) in view.iter().filter_map(|(seq, entry)| Some((*seq, entry.place()?))) {
        match places.entry(place.id) {
            Entry::Vacant(vacant) => _ = vacant.insert(seq),
            Entry::Occupied(first) => {
                let (id, first) = (place.id, *first.get());
                violations.push(Violation::SeenTwice { device_id, id, first, second: seq });
            }
        }
        let conversation_id = place.conversation_id;
        let before = reached.insert(conversation_id, place.conversation_seq);
        if let Some(before) = before.filter(|before| before.next() != place.conversation_seq) {
            let after = place.conversation_seq;
            let gap = Violation::ConversationGap { device_id, conversation_id, before, after };
            violations.push(gap);
        }
    }
    places.into_keys().collect()
}

/// Who is to have a message and never received a page might lack it, and nobody would see.
fn check_read_at_all(
    members: &BTreeMap<ConversationId, BTreeSet<UserId>>,
    acknowledged: &[AcknowledgedSend],
    pages: &[ObservedPage],
    violations: &mut Vec<Violation>,
) {
    let readers: BTreeSet<_> = pages.iter().map(|page| page.user_id).collect();
    let sends = acknowledged.iter().filter_map(|send| members.get(&send.conversation_id));
    let silent: BTreeSet<_> = sends.flatten().filter(|user| !readers.contains(user)).collect();
    violations.extend(silent.into_iter().map(|user| Violation::NeverRead { user_id: *user }));
}

fn check_read_to_the_end(
    devices: &BTreeMap<DeviceId, Vec<&ObservedPage>>,
    violations: &mut Vec<Violation>,
) {
    let mut heads = HashMap::<UserId, InboxSeq>::new();
    for page in devices.values().flatten() {
        let head = heads.entry(page.user_id).or_default();
        *head = (*head).max(page.head);
    }
    for (device_id, pages) in devices {
        let through = pages.iter().map(|page| page.through).max().unwrap_or_default();
        let head =
            pages.first().and_then(|page| heads.get(&page.user_id)).copied().unwrap_or_default();
        if through < head {
            let device_id = *device_id;
            violations.push(Violation::NotReadToTheEnd { device_id, through, head });
        }
    }
}

fn summary(acknowledged: &[AcknowledgedSend], pages: &[ObservedPage], devices: usize) -> Summary {
    let sends: HashSet<_> =
        acknowledged.iter().map(|send| (send.sender_id, send.client_message_id)).collect();
    let messages: HashSet<_> = pages
        .iter()
        .flat_map(|page| &page.entries)
        .filter(|(_, entry)| matches!(entry, SeenEntry::Message { .. }))
        .filter_map(|(_, entry)| entry.place())
        .collect();
    Summary {
        sends: sends.len(),
        answers: acknowledged.len(),
        devices,
        pages: pages.len(),
        messages: messages.len(),
    }
}
