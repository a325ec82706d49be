use axum::{Json, extract::State};
use nudge_proto::{DeviceId, InboxSeq, MessageId};
use serde_json::{Value, json};

use super::super::{ApiError, App, extract::Path};
use crate::store::{ConversationKind, MessageStory, RecipientStory};

/// One message's story: where it is, with whom it arrived, and why not with the others.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Path(id): Path<MessageId>,
) -> Result<Json<Value>, ApiError> {
    let story = app.store.message_story(id).await?;
    let milestones: Vec<_> = app
        .milestones
        .of(id)
        .iter()
        .map(|happened| {
            json!({
                "milestone": happened.milestone.as_str(),
                "at_ms": happened.at.0,
                "user_id": happened.who.user_id,
                "device_id": happened.who.device_id,
            })
        })
        .collect();
    let mut told = match &story {
        Some(story) => tell(&app, story),
        None => json!({ "is_here": false, "why": GONE }),
    };
    told["message_id"] = json!(id);
    // Of an id that this system did not make it says nothing; there is no telling them apart.
    told["made_at_ms"] = json!(id.made_at_ms());
    told["milestones"] = json!(milestones);
    Ok(Json(told))
}

const GONE: &str = "the store has no such message: its time to live or the history's time is over, its \
                    deletion was asked for, or it never was";

fn tell(app: &App, story: &MessageStory) -> Value {
    let recipients = story.recipients.iter().map(|recipient| {
        let connected = app.hub.sessions_of(recipient.user_id);
        let connected: Vec<_> = connected.sessions.iter().map(|session| session.device_id).collect();
        let (state, why) = state(story, recipient, &connected);
        let devices = recipient.devices.iter().map(|(id, acked)| {
            json!({ "id": id, "acknowledged_up_to": acked.0, "is_held_here": connected.contains(id) })
        });
        json!({
            "user_id": recipient.user_id,
            "handle": recipient.handle,
            "is_sender": recipient.user_id == story.sender_id,
            "is_member": recipient.is_member,
            "inbox_number": recipient.inbox_seq.map(|seq| seq.0),
            "state": state,
            "why": why,
            "devices": devices.collect::<Vec<_>>(),
        })
    });
    json!({
        "is_here": true,
        "conversation_id": story.conversation_id,
        "kind": match story.kind {
            ConversationKind::Direct => "direct",
            ConversationKind::Group => "group",
        },
        "conversation_number": story.seq.0,
        "sender_id": story.sender_id,
        "client_message_id": story.client_id,
        "sent_at_ms": story.sent_at.0,
        "expires_at_ms": story.expires_at.map(|at| at.0),
        "is_refused": story.refused,
        "media": story.media.iter().map(|medium| json!({
            "id": medium.id, "size": medium.size, "is_here": medium.size.is_some(),
        })).collect::<Vec<_>>(),
        "recipients": recipients.collect::<Vec<_>>(),
    })
}

/// How far a message came with one who may see it, and what it waits for.
fn state(
    story: &MessageStory,
    recipient: &RecipientStory,
    connected: &[DeviceId],
) -> (&'static str, String) {
    if recipient.user_id == story.sender_id {
        return ("sent", String::new());
    }
    if story.refused {
        return ("refused", "a block keeps it from him, which the sender cannot tell".to_owned());
    }
    if recipient.read {
        return ("read", String::new());
    }
    let has = |acked: InboxSeq| recipient.inbox_seq.is_some_and(|entry| acked >= entry);
    if recipient.delivered || recipient.devices.iter().any(|(_, acked)| has(*acked)) {
        return ("delivered", "no device has read up to it".to_owned());
    }
    let why = match (recipient.deleted, recipient.inbox_seq, recipient.devices.as_slice()) {
        (true, ..) => "his account is deleted",
        (_, None, _) => "his inbox has no entry of it, or no longer",
        (_, _, []) => "he has no active device",
        (_, _, devices) if devices.iter().any(|(id, _)| connected.contains(id)) => {
            "a device of his is connected through this node, and has not acknowledged it yet"
        }
        _ => "no device of his is connected through this node",
    };
    (if recipient.inbox_seq.is_some() { "waiting" } else { "gone" }, why.to_owned())
}

#[cfg(test)]
mod tests {
    use nudge_proto::{ConversationId, ConversationSeq, UserId};

    use super::*;
    use crate::store::UnixMs;

    #[test]
    fn every_recipient_has_a_state_and_a_reason() {
        let device = DeviceId::random();
        let entry = Some(InboxSeq(5));
        let waiting = RecipientStory {
            user_id: UserId::random(),
            handle: "bob".to_owned(),
            deleted: false,
            is_member: true,
            inbox_seq: entry,
            delivered: false,
            read: false,
            devices: vec![(device, InboxSeq(4))],
        };
        let story = MessageStory {
            id: MessageId::random(),
            conversation_id: ConversationId::random(),
            kind: ConversationKind::Direct,
            seq: ConversationSeq(1),
            sender_id: UserId::random(),
            client_id: None,
            sent_at: UnixMs(1),
            expires_at: None,
            refused: false,
            media: Vec::new(),
            recipients: Vec::new(),
        };
        let refused = MessageStory { refused: true, ..story.clone() };
        let sender = RecipientStory { user_id: story.sender_id, ..waiting.clone() };
        let changed = |change: fn(&mut RecipientStory)| {
            let mut recipient = waiting.clone();
            change(&mut recipient);
            recipient
        };
        for (story, recipient, connected, expected, reason) in [
            (&story, sender, &[][..], "sent", ""),
            (&refused, waiting.clone(), &[], "refused", "block"),
            (&story, waiting.clone(), &[], "waiting", "no device of his is connected"),
            (&story, waiting.clone(), &[device], "waiting", "has not acknowledged"),
            (&story, changed(|who| who.devices.clear()), &[], "waiting", "no active device"),
            (&story, changed(|who| who.devices[0].1 = InboxSeq(5)), &[], "delivered", "read"),
            (&story, changed(|who| who.delivered = true), &[], "delivered", "read"),
            (&story, changed(|who| who.read = true), &[], "read", ""),
            (&story, changed(|who| who.inbox_seq = None), &[], "gone", "no entry"),
            (&story, changed(|who| who.deleted = true), &[], "waiting", "deleted"),
        ] {
            let (state, why) = state(story, &recipient, connected);
            assert_eq!(state, expected, "{why}");
            assert!(why.contains(reason), "{state}: {why}");
        }
    }
}
