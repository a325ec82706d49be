//! Operating a running system, and a stopped one.

mod nodes;
mod table;
mod text;

use nudge_fetch::{Clock, store::Database};
use serde_json::json;

use super::migrate::open_store;
use crate::{
    cli::{Admin, AdminAction, AskMessage, AskSessions, AskStats, DataFolder, Kick},
    failure::Failure,
    output::Format,
};
use nodes::Asked;

pub(crate) async fn run(admin: Admin) -> Result<(), Failure> {
    match admin.action {
        AdminAction::Message(ask) => message(ask).await,
        AdminAction::Sessions(ask) => sessions(ask).await,
        AdminAction::Kick(kick) => end_connections(kick).await,
        AdminAction::Stats(ask) => stats(ask).await,
        AdminAction::NewEpoch(data) => new_epoch(*data).await,
    }
}

/// The store says the same to every node; what each remembers is put together.
async fn message(ask: AskMessage) -> Result<(), Failure> {
    let format = Format::json_if(ask.nodes.json);
    let asked = Asked::new(&ask.nodes)?;
    let answers = asked.all(&format!("admin/messages/{}", ask.id)).await?;
    let mut stories = answers.given.into_iter();
    let mut story = stories.next().map(|(_, story)| story).unwrap_or_default();
    let mut milestones = story["milestones"].as_array().cloned().unwrap_or_default();
    for (_, other) in stories {
        milestones.extend(other["milestones"].as_array().cloned().unwrap_or_default());
    }
    milestones.sort_by_key(|one| one["at_ms"].as_u64());
    story["milestones"] = json!(milestones);
    let is_unknown = story["is_here"] == json!(false) && milestones.is_empty();
    if !is_unknown || ask.nodes.json {
        format.print(&story, text::story(&story))?;
    }
    if is_unknown {
        let why = story["why"].as_str().unwrap_or_default();
        return Err(Failure::new(format!("nothing is known of the message {}: {why}", ask.id)));
    }
    answers.missing
}

async fn sessions(ask: AskSessions) -> Result<(), Failure> {
    let format = Format::json_if(ask.nodes.json);
    let asked = Asked::new(&ask.nodes)?;
    let mut query = vec![("limit", ask.limit.to_string())];
    query.extend(ask.user.map(|user| ("user", user)));
    query.extend(ask.after.map(|after| ("after", after.to_string())));
    let answers = asked.all_with("admin/sessions", &query).await?;
    for (node, mut page) in answers.given {
        page["node"] = json!(node);
        format.print(&page, text::sessions(&page))?;
    }
    answers.missing
}

async fn end_connections(kick: Kick) -> Result<(), Failure> {
    let format = Format::json_if(kick.nodes.json);
    let asked = Asked::new(&kick.nodes)?;
    let body = json!({ "user": kick.user, "device_id": kick.device, "revoke": kick.revoke });
    let kicked = asked.tell("admin/kick", &body).await?;
    format.print(&kicked, text::kicked(&kicked))
}

/// The store's counts are the same from every node; what waits is each node's own.
async fn stats(ask: AskStats) -> Result<(), Failure> {
    let format = Format::json_if(ask.nodes.json);
    let asked = Asked::new(&ask.nodes)?;
    let answers = asked.all("admin/stats").await?;
    for (at, (node, mut stats)) in answers.given.into_iter().enumerate() {
        stats["node"]["url"] = json!(node);
        let mut text = text::node(&stats["node"]);
        if at == 0 {
            text = format!("{}\n{text}", text::store(&stats));
        }
        format.print(&stats, text)?;
    }
    answers.missing
}

async fn new_epoch(data: DataFolder) -> Result<(), Failure> {
    let config = data.resolve()?;
    let name = match &config.database {
        Database::Sqlite(_) => config.database_path().display().to_string(),
        Database::Postgres(_) => "the database".to_owned(),
    };
    if matches!(config.database, Database::Sqlite(_)) && !config.database_path().exists() {
        return Err(Failure::configuration(format!(
            "{name} does not exist: restore the backup first, or name the folder with --data-dir"
        )));
    }
    let store = open_store(&config).await?;
    let epoch = store.new_epoch(Clock::system().now()).await?;
    store.close().await;
    println!("{name} is in epoch {epoch}");
    Ok(())
}
