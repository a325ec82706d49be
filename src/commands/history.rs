//! What was said before, and where.

use nudge_client_sdk::{Client, ConversationId, HistoryItem};
use serde_json::json;

use super::send::find_conversation;
use crate::{
    cli::{Conversations, History},
    conversation::{self, Names},
    failure::Failure,
    human,
    output::Format,
    profile::Profile,
};

pub(crate) async fn conversations(list: Conversations) -> Result<(), Failure> {
    let profile = Profile::find(&list.account)?;
    let (client, user) = profile.open_for_requests().await?;
    let names = Names::new(client.clone(), user);
    let format = Format::json_if(list.json);
    for conversation in client.conversations().await? {
        let place = names.place_of(&conversation);
        let last = conversation.last_message.as_ref();
        let value = json!({
            "type": "conversation",
            "id": conversation.id,
            "kind": place.kind(),
            "name": place.name(),
            "members": conversation.member_count,
            "unread": conversation.unread_count,
            "head": conversation.head.0,
            "last_message_id": last.map(|message| message.id),
            "last_sent_at_ms": last.map(|message| message.sent_at_ms),
            "is_member": conversation.is_member,
        });
        let unread = match conversation.unread_count {
            0 => String::new(),
            count => format!(", {count} unread"),
        };
        let last = match last {
            Some(message) => format!(", last message {}", human::time(message.sent_at_ms)),
            None => String::new(),
        };
        format.print(&value, format!("{}  {}{unread}{last}", conversation.id, place.name()))?;
    }
    client.close().await;
    Ok(())
}

pub(crate) async fn history(history: History) -> Result<(), Failure> {
    let profile = Profile::find(&history.account)?;
    let (client, user) = profile.open_for_requests().await?;
    let id = match history.of.parse() {
        Ok(id) => id,
        Err(_) => find_conversation(&client, Some(&history.of), None).await?,
    };
    let mut names = Names::new(client.clone(), user);
    let format = Format::json_if(history.json);
    for item in newest(&client, id, history.limit).await?.iter().rev() {
        if let Some(line) = conversation::history_item(item, &mut names).await {
            format.print(&line.json, &line.text)?;
        }
    }
    client.close().await;
    Ok(())
}

/// The newest so many, newest first.
pub(crate) async fn newest(
    client: &Client,
    id: ConversationId,
    limit: usize,
) -> Result<Vec<HistoryItem>, Failure> {
    let (mut items, mut before) = (Vec::new(), None);
    while items.len() < limit {
        let page = client.history(id, before).await?;
        items.extend(page.items);
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    items.truncate(limit);
    Ok(items)
}
