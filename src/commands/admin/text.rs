//! What the operator reads.

use serde_json::Value;

use super::table::{count, table};
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

/// One node's sessions, and the signal nodes that hold them.
pub(super) fn sessions(page: &Value) -> String {
    let mut text = format!("{} {}", word(&page["node"]), holds(page, &page["signal_nodes"]));
    let nodes = list(&page["signal_nodes"]);
    let holder = |session: &Value| {
        let of_stream = |node: &&Value| node["stream"] == session["stream"];
        // It may have gone between the two.
        nodes.iter().find(of_stream).map_or_else(|| "-".to_owned(), name)
    };
    let rows: Vec<_> = list(&page["sessions"])
        .iter()
        .map(|session| {
            let told = session["told_up_to"].to_string();
            let (user, device) = (word(&session["user_id"]), word(&session["device_id"]));
            [user.to_owned(), device.to_owned(), told, holder(session)]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&table(["user", "device", "told up to", "through"], &rows));
    }
    if let Some(after) = page["next_after"].as_str() {
        text.push_str(&format!("\n  more with --after {after}"));
    }
    text
}

/// How many sessions are held, and the signal nodes through which.
fn holds(page: &Value, nodes: &Value) -> String {
    let nodes = list(nodes);
    let sessions = count(page["held_sessions"].as_u64().unwrap_or_default(), "session");
    let mut text = format!("holds {sessions} through {}", count(nodes.len() as u64, "signal node"));
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| {
            let address = node["address"].as_str().unwrap_or("-").to_owned();
            let heard = node["last_heard_ms"].as_u64().map_or("-".to_owned(), human::time);
            [name(node), address, node["sessions"].to_string(), time(&node["since_ms"]), heard]
        })
        .collect();
    if !rows.is_empty() {
        let heading = ["signal node", "address", "sessions", "since", "last heard"];
        text.push_str(&table(heading, &rows));
    }
    text
}

/// What a signal node is called: one of an earlier version says nothing.
fn name(node: &Value) -> String {
    if node["is_this_process"] == true {
        return "this process".to_owned();
    }
    let stream = || format!("stream {}", node["stream"]);
    node["name"].as_str().map_or_else(stream, str::to_owned)
}

/// Whose connections were ended.
pub(super) fn kicked(kicked: &Value) -> String {
    let devices = list(&kicked["devices"]).len() as u64;
    let who = format!("{} of {}", count(devices, "device"), word(&kicked["user_id"]));
    match (devices, kicked["revoked"] == true) {
        (0, _) => format!("{} has no active device", word(&kicked["user_id"])),
        (_, true) => format!("logged out {who}: only a new log in brings them back"),
        (_, false) => format!("ended the connections of {who}: they may come back"),
    }
}

/// How much there is in the store.
pub(super) fn store(stats: &Value) -> String {
    let most = stats["counted_up_to"].as_u64();
    let number = |name: &str| {
        let count = stats[name].as_u64();
        let least = if count.is_some() && count == most { "at least " } else { "" };
        format!("{least}{}", stats[name])
    };
    [
        format!("store {}, epoch {}", word(&stats["store_id"]), stats["epoch"]),
        format!("  users          {}, with {} devices", number("users"), number("devices")),
        format!("  conversations  {}", number("conversations")),
        format!("  messages       {}", number("messages")),
        format!("  inbox numbers  {}", stats["inbox_numbers"]),
        format!(
            "  media          {}, {}; {} uploads unfinished",
            number("media"),
            human::bytes(stats["media_bytes"].as_u64().unwrap_or_default()),
            number("unfinished_uploads")
        ),
        format!(
            "  waiting        {} receipts, {} deletions",
            number("receipts_due"),
            number("deletions_pending")
        ),
    ]
    .join("\n")
}

/// What one node does.
pub(super) fn node(node: &Value) -> String {
    format!(
        "{}: {} in flight, {} to account for; {}",
        word(&node["url"]),
        count(node["writes_in_flight"].as_u64().unwrap_or_default(), "write"),
        count(node["marks_to_account"].as_u64().unwrap_or_default(), "mark"),
        holds(node, &node["signal_nodes"]),
    )
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
