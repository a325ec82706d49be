//! What the operator reads.

use serde_json::Value;

use crate::human;

/// A message's story.
pub(super) fn story(story: &Value) -> String {
    let mut text = String::new();
    let mut line = |words: String| text.push_str(&(words + "\n"));
    if story["is_here"] == true {
        line(format!(
            "{} is number {} of the {} conversation {}",
            word(&story["message_id"]),
            story["conversation_number"],
            word(&story["kind"]),
            word(&story["conversation_id"]),
        ));
        line(format!(
            "  sent      {} by {}",
            time(&story["sent_at_ms"]),
            word(&story["sender_id"])
        ));
        if story["expires_at_ms"].is_u64() {
            line(format!("  expires   {}", time(&story["expires_at_ms"])));
        }
        for medium in list(&story["media"]) {
            let size = medium["size"].as_u64().map_or("gone".to_owned(), human::bytes);
            line(format!("  medium    {}  {size}", word(&medium["id"])));
        }
        for recipient in list(&story["recipients"]) {
            let number = recipient["inbox_number"].as_u64();
            let number =
                number.map_or(String::new(), |number| format!(", number {number} in his inbox"));
            let why = match word(&recipient["why"]) {
                "" => String::new(),
                why => format!(": {why}"),
            };
            line(format!(
                "  {:<9} {} ({}){number}{why}",
                word(&recipient["state"]),
                human::safe_line(word(&recipient["handle"])),
                word(&recipient["user_id"]),
            ));
        }
    } else {
        line(format!("{} is not here: {}", word(&story["message_id"]), word(&story["why"])));
    }
    for happened in list(&story["milestones"]) {
        line(format!(
            "  {}  {:<12} {} {}",
            time(&happened["at_ms"]),
            word(&happened["milestone"]),
            word(&happened["user_id"]),
            word(&happened["device_id"]),
        ));
    }
    text.trim_end().to_owned()
}

/// One node's sessions.
pub(super) fn sessions(page: &Value) -> String {
    let mut text = format!(
        "{}: {} sessions on {} streams",
        word(&page["node"]),
        page["held_sessions"],
        page["streams"]
    );
    for session in list(&page["sessions"]) {
        text.push_str(&format!(
            "\n  {}  {}  stream {}, told up to {}",
            word(&session["user_id"]),
            word(&session["device_id"]),
            session["stream"],
            session["told_up_to"],
        ));
    }
    if let Some(after) = page["next_after"].as_str() {
        text.push_str(&format!("\n  more with --after {after}"));
    }
    text
}

/// Whose connections were ended.
pub(super) fn kicked(kicked: &Value) -> String {
    let what = if kicked["revoked"] == true { "are logged out" } else { "may come back" };
    format!("{} devices of {} {what}", list(&kicked["devices"]).len(), word(&kicked["user_id"]))
}

/// How much there is.
pub(super) fn stats(stats: &Value) -> String {
    let most = stats["counted_up_to"].as_u64();
    let count = |name: &str| {
        let count = stats[name].as_u64();
        let least = if count.is_some() && count == most { "at least " } else { "" };
        format!("{least}{}", stats[name])
    };
    let node = &stats["node"];
    [
        format!("store {}, epoch {}", word(&stats["store_id"]), stats["epoch"]),
        format!("  users          {}, with {} devices", count("users"), count("devices")),
        format!("  conversations  {}", count("conversations")),
        format!("  messages       {}", count("messages")),
        format!("  inbox numbers  {}", stats["inbox_numbers"]),
        format!(
            "  media          {}, {}; {} uploads unfinished",
            count("media"),
            human::bytes(stats["media_bytes"].as_u64().unwrap_or_default()),
            count("unfinished_uploads")
        ),
        format!(
            "  waiting        {} receipts, {} deletions",
            count("receipts_due"),
            count("deletions_pending")
        ),
        format!(
            "{}: {} sessions on {} streams, {} writes in flight, {} marks to account for",
            word(&node["url"]),
            node["held_sessions"],
            node["watch_streams"],
            node["writes_in_flight"],
            node["marks_to_account"],
        ),
    ]
    .join("\n")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, human::time)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
