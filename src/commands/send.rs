//! Sends a text, files, or both.

use std::io::Read;

use nudge_client_sdk::{Client, ConversationId, Draft, Medium, Sent};
use nudge_proto::limits::BODY_BYTES_MAX;
use serde_json::json;

use crate::{
    bars, cli::Send, failure::Failure, human, output::Format, profile::Profile, stop::Stop,
};

pub(crate) async fn run(send: Send) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let profile = Profile::find(&send.account)?;
    let draft = Draft { files: send.files, ttl_s: send.ttl, ..Draft::text(text(send.text)?) };
    let has_files = !draft.files.is_empty();
    let (client, _) = profile.open_for_requests().await?;
    let to = find_conversation(&client, send.to.as_deref(), send.group).await?;
    let message = client.send(to, draft).await?;
    let format = Format::json_if(send.json);
    if send.no_wait {
        client.close().await;
        return format.print(
            &json!({ "type": "queued", "client_message_id": message, "conversation_id": to }),
            format!("In the outbox as {message}: the next `nudge listen` sends it."),
        );
    }
    let sent = tokio::select! {
        sent = client.sent(message) => sent?,
        never = bars::follow_uploads(&client, message) => match never {},
        () = stop.asked() => {
            client.close().await;
            return Err(Failure::new(format!(
                "{message} was not sent yet: it is in the outbox, and the next `nudge listen` sends it"
            )));
        }
    };
    // What the media are called on the server stands in the message there.
    let media = match has_files {
        true => client.message(sent.message_id).await?.media,
        false => Vec::new(),
    };
    client.close().await;
    format.print(&json_of(&sent, &media), text_of(&sent, &media))
}

/// A direct conversation by handle, or one by id.
pub(crate) async fn find_conversation(
    client: &Client,
    with: Option<&str>,
    id: Option<ConversationId>,
) -> Result<ConversationId, Failure> {
    match (with, id) {
        (_, Some(id)) => Ok(id),
        (Some(handle), None) => {
            let user = client.find_user(handle).await.map_err(|error| match error.code() {
                Some(nudge_client_sdk::ErrorCode::NotFound) => {
                    Failure::new(format!("nobody here is called {handle}"))
                }
                _ => error.into(),
            })?;
            Ok(client.direct(user.id).await?.id)
        }
        (None, None) => Err(Failure::configuration("name the recipient with --to or --group")),
    }
}

fn text(argument: Option<String>) -> Result<String, Failure> {
    match argument.as_deref() {
        Some("-") => {
            let mut text = String::new();
            // One byte more than a message takes: the SDK says so then.
            std::io::stdin().take(BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
            Ok(text)
        }
        _ => Ok(argument.unwrap_or_default()),
    }
}

fn json_of(sent: &Sent, media: &[Medium]) -> serde_json::Value {
    let medium = |medium: &Medium| {
        json!({
            "id": medium.id,
            "file_name": medium.file_name,
            "size": medium.size,
            "sha256": hex::encode(medium.sha256),
        })
    };
    json!({
        "type": "sent",
        "message_id": sent.message_id,
        "client_message_id": sent.client_message_id,
        "conversation_id": sent.conversation_id,
        "seq": sent.seq.0,
        "sent_at_ms": sent.sent_at_ms,
        "media": media.iter().map(medium).collect::<Vec<_>>(),
    })
}

fn text_of(sent: &Sent, media: &[Medium]) -> String {
    let mut text =
        format!("sent as {}, #{} in {}", sent.message_id, sent.seq, sent.conversation_id);
    for medium in media {
        let name = human::safe_line(&medium.file_name);
        text.push_str(&format!("\n  {name}, {}  {}", human::bytes(medium.size), medium.id));
    }
    text
}
