//! The written list of metrics, and what a running system exposes.

use std::collections::BTreeMap;

use nudge_harness::ServerCommand;
use nudge_proto::ClientMessageId;

use crate::{program::NUDGE, serve::user};

const LIST: &str = include_str!("../../docs/metrics.md");

#[tokio::test]
async fn the_list_of_metrics_is_what_a_running_system_exposes() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerCommand::new(NUDGE, folder.path().join("data")).start().await.unwrap();
    let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
    let direct = ada.direct(&bob.user().id).await.unwrap();
    ada.send_text(&direct.id, ClientMessageId::random(), "hello").await.unwrap();
    let url = format!("http://{}/metrics", server.ready().private);
    let told = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert_eq!(exposed(&told), listed());
    assert!(server.terminate().await.unwrap().success());
}

/// Type and meaning by name, as the exposition has them.
fn exposed(told: &str) -> BTreeMap<String, (String, String)> {
    let part = |keyword: &str| -> BTreeMap<String, String> {
        let lines = told.lines().filter_map(|line| line.strip_prefix(keyword)?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let mut meanings = part("# HELP ");
    let types = part("# TYPE ").into_iter();
    types
        .map(|(name, kind)| {
            let meaning = meanings.remove(&name).unwrap_or_default();
            (name, (kind, meaning))
        })
        .collect()
}

/// The same from the list.
fn listed() -> BTreeMap<String, (String, String)> {
    let rows = LIST.lines().filter(|line| line.starts_with("| `nudge_"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), cells[4].to_owned()))
    })
    .collect()
}
