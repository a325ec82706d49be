//! What came in, for programs and for people.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use console::style;
use nudge_client_sdk::{
    Change, ChangeKind, Downloaded, Error, HistoryItem, Medium, Message, Receipt, ResyncReason,
    Role,
};
use serde_json::{Value, json};

use super::{Names, names::Place};
use crate::human;

/// One thing that came in, said twice.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) json: Value,
    /// One line, or a few.
    pub(crate) text: String,
}

/// A message with its files.
pub(crate) async fn message(message: &Message, names: &mut Names) -> Line {
    let sender = names.handle(message.conversation_id, message.sender_id).await;
    let place = names.place(message.conversation_id).await;
    let is_own = names.is_own(message.sender_id);
    let mut json = json!({
        "type": "message",
        "id": message.id,
        "conversation_id": message.conversation_id,
        "conversation": place.name(),
        "kind": place.kind(),
        "seq": message.seq.0,
        "sender": sender,
        "sender_id": message.sender_id,
        "own": is_own,
        "sent_at_ms": message.sent_at_ms,
        "content_type": message.content_type,
        "media": message.media.iter().map(medium).collect::<Vec<_>>(),
    });
    match message.text() {
        Some(text) => json["text"] = text.into(),
        None => json["body_base64"] = STANDARD.encode(&message.body).into(),
    }
    if let Some(expires_at_ms) = message.expires_at_ms {
        json["expires_at_ms"] = expires_at_ms.into();
    }
    let who = match (&place, is_own) {
        (Place::Direct(other), true) => format!("you to {other}"),
        (Place::Direct(_), false) => sender,
        (Place::Group(title), _) => format!("{sender} in {title}"),
    };
    let mut text = format!("{}  {}", time(message.sent_at_ms), style(format!("{who}:")).bold());
    match message.text() {
        Some(said) => text.push_str(&format!(" {}", human::safe(said).replace('\n', NEXT_LINE))),
        None => text.push_str(&format!(
            " ({}, {})",
            human::safe_line(&message.content_type),
            human::bytes(message.body.len() as u64)
        )),
    }
    for medium in &message.media {
        let name = human::safe_line(&medium.file_name);
        let size = human::bytes(medium.size);
        text.push_str(&format!("{NEXT_LINE}{name}, {size}  {}", style(medium.id).dim()));
    }
    Line { json, text }
}

/// A message's file lies here now.
pub(crate) fn saved(message: &Message, medium: &Medium, path: &Path, done: &Downloaded) -> Line {
    Line {
        json: json!({
            "type": "saved",
            "message_id": message.id,
            "medium_id": medium.id,
            "file_name": medium.file_name,
            "path": path.display().to_string(),
            "bytes": done.bytes,
            "sha256": hex::encode(done.sha256),
            "resumed_from": done.resumed_from,
        }),
        text: format!("{INDENT}saved {}", human::safe_line(&path.display().to_string())),
    }
}

/// A message's file cannot be had any more.
pub(crate) fn not_saved(message: &Message, medium: &Medium, error: &Error) -> Line {
    let name = human::safe_line(&medium.file_name);
    Line {
        json: json!({
            "type": "not_saved",
            "message_id": message.id,
            "medium_id": medium.id,
            "file_name": medium.file_name,
            "reason": error.to_string(),
            "code": error.code().map(|code| code.as_str()),
        }),
        text: format!("{INDENT}{name} was not saved: {error}"),
    }
}

/// How far messages have come.
pub(crate) async fn receipt(receipt: &Receipt, names: &mut Names) -> Line {
    let place = names.place(receipt.conversation_id).await;
    let (delivered, read) = (receipt.delivered.0, receipt.read.0);
    let (who, have) = match &place {
        Place::Direct(other) => (other.clone(), "has"),
        Place::Group(title) => (format!("all in {title}"), "have"),
    };
    let marks = [(delivered, "everything"), (read, "read everything")];
    let marks = marks.iter().filter(|(mark, _)| *mark > 0);
    let mut parts: Vec<_> =
        marks.map(|(mark, what)| format!("{who} {have} {what} up to #{mark}")).collect();
    if receipt.newest_own.0 > 0 {
        parts.push(format!(
            "your #{}: {} have it, {} read it",
            receipt.newest_own.0, receipt.delivered_count, receipt.read_count
        ));
    }
    if receipt.own_read.0 > 0 {
        parts.push(format!("you read everything up to #{}", receipt.own_read.0));
    }
    let text = parts.join("; ");
    Line {
        json: json!({
            "type": "receipt",
            "conversation_id": receipt.conversation_id,
            "conversation": place.name(),
            "kind": place.kind(),
            "delivered": delivered,
            "read": read,
            "own_read": receipt.own_read.0,
            "newest_own": receipt.newest_own.0,
            "delivered_count": receipt.delivered_count,
            "read_count": receipt.read_count,
        }),
        text: style(format!("{INDENT}{text}")).dim().to_string(),
    }
}

/// A change of a conversation.
pub(crate) async fn change(change: &Change, names: &mut Names) -> Line {
    let conversation = change.conversation_id;
    names.note(conversation, &change.kind);
    let place = names.place(conversation).await;
    let actor = names.handle(conversation, change.actor_id).await;
    let mut json = json!({
        "type": "change",
        "id": change.id,
        "conversation_id": conversation,
        "conversation": place.name(),
        "kind": place.kind(),
        "seq": change.seq.0,
        "actor": actor,
        "actor_id": change.actor_id,
        "at_ms": change.at_ms,
    });
    let what = match &change.kind {
        ChangeKind::Created => "made the conversation".to_owned(),
        ChangeKind::Title(title) => {
            json["title"] = title.as_str().into();
            format!("named it {}", human::safe_line(title))
        }
        ChangeKind::Joined(user, role) => {
            let who = names.handle(conversation, *user).await;
            json["user"] = who.as_str().into();
            json["role"] = role_name(*role).into();
            format!("added {who} as {}", role_name(*role))
        }
        ChangeKind::Role(user, role) => {
            let who = names.handle(conversation, *user).await;
            json["user"] = who.as_str().into();
            json["role"] = role_name(*role).into();
            format!("made {who} {}", role_name(*role))
        }
        ChangeKind::Left(user) => {
            json["user"] = names.handle(conversation, *user).await.into();
            "left".to_owned()
        }
        ChangeKind::Removed(user) => {
            let who = names.handle(conversation, *user).await;
            json["user"] = who.as_str().into();
            format!("removed {who}")
        }
        ChangeKind::Other | _ => "changed something that this version does not know".to_owned(),
    };
    json["change"] = change_name(&change.kind).into();
    let place = place.name();
    let text = style(format!("{}  {place}: {actor} {what}", time(change.at_ms))).dim().to_string();
    Line { json, text }
}

/// Some of what came in can no longer be told.
pub(crate) fn resynced(reason: ResyncReason) -> Line {
    let (name, why) = match reason {
        ResyncReason::Truncated => ("truncated", "this device was away for too long"),
        ResyncReason::NewEpoch => ("new_epoch", "the server was restored from a backup"),
        ResyncReason::StateRestored => ("state_restored", "this profile is an older copy"),
        ResyncReason::NewDevice => ("new_device", "this profile logged in as a new device"),
    };
    Line {
        json: json!({ "type": "resynced", "reason": name }),
        text: format!("{INDENT}messages may be missing here, as {why}: see `nudge history`"),
    }
}

/// One line of the history.
pub(crate) async fn history_item(item: &HistoryItem, names: &mut Names) -> Option<Line> {
    match item {
        HistoryItem::Message(said) => Some(message(said, names).await),
        HistoryItem::Change(made) => Some(change(made, names).await),
        _ => None,
    }
}

fn medium(medium: &Medium) -> Value {
    json!({
        "id": medium.id,
        "file_name": medium.file_name,
        "content_type": medium.content_type,
        "size": medium.size,
        "sha256": hex::encode(medium.sha256),
    })
}

fn time(unix_ms: u64) -> String {
    style(human::time(unix_ms)).dim().to_string()
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

const fn change_name(kind: &ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Joined(..) => "joined",
        ChangeKind::Left(_) => "left",
        ChangeKind::Removed(_) => "removed",
        ChangeKind::Role(..) => "role",
        ChangeKind::Title(_) => "title",
        ChangeKind::Other | _ => "unknown",
    }
}

/// As wide as a time and its gap.
const INDENT: &str = "          ";
const NEXT_LINE: &str = "\n          ";
