//! That what is asked often is found by indexes, however much there is.

use sqlx::{AssertSqlSafe, Row};

use super::{
    SqliteOptions, SqliteStore,
    conversations::mark_read_sql,
    history, operations, views,
    visible::{Kind, intervals},
};

/// What SQLite is going to do.
async fn plan(sql: String) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nudge.db");
    let store = SqliteStore::open(&path, &SqliteOptions::default()).await.unwrap();
    let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(explained).fetch_all(&store.readers).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// Every table is searched, and messages of each of the kinds within bounds of their numbers; nothing is
/// sorted but what `sorted` says.
async fn assert_bounded(sql: String, kinds: &[Kind], sorted: usize) {
    let plan = plan(sql).await;
    let is_table = |step: &&String| step.starts_with("SCAN ") && !step.contains("subquery");
    let scans: Vec<_> = plan.iter().filter(is_table).collect();
    assert!(scans.iter().all(|step| *step == "SCAN n"), "{plan:#?}");
    let sorts = plan.iter().filter(|step| step.contains("TEMP B-TREE")).count();
    assert_eq!(sorts, sorted, "{plan:#?}");
    for kind in kinds {
        let index = kind.table().rsplit(' ').next().unwrap();
        let mut steps = plan.iter().filter(|step| step.contains(index)).peekable();
        assert!(steps.peek().is_some(), "{index} is not used: {plan:#?}");
        assert!(
            steps.all(|step| step.contains("conversation_id=?") && step.contains("seq")),
            "{plan:#?}"
        );
    }
}

#[tokio::test]
async fn p5_a_page_of_history_walks_over_nothing_that_its_reader_may_not_see() {
    assert_bounded(intervals(), &[], 0).await;
    assert_bounded(history::page_sql(), &Kind::ALL, 0).await;
}

#[tokio::test]
async fn p5_the_conversation_list_walks_over_nothing_that_its_reader_may_not_see() {
    let list = "me.conversation_id > ?3 ORDER BY me.conversation_id LIMIT ?4";
    assert_bounded(views::present_sql(list), &Kind::MESSAGES, 0).await;
    let one = "me.conversation_id = ?3 LIMIT ?4";
    assert_bounded(views::present_sql(one), &Kind::MESSAGES, 0).await;
    assert_bounded(views::former_sql(), &Kind::MESSAGES, 0).await;
}

#[tokio::test]
async fn p5_accounting_for_a_span_walks_over_that_span_alone() {
    for sql in [operations::PASSED_IN_INBOXES, operations::PASSED_IN_CONVERSATIONS] {
        let plan = plan(sql.to_owned()).await;
        let scans: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN ")).collect();
        assert!(scans.iter().all(|step| step.contains("json_each")), "{plan:#?}");
        assert!(plan.iter().any(|step| step.contains("seq>? AND seq<?")), "{plan:#?}");
    }
}

#[tokio::test]
async fn p5_a_read_mark_walks_over_nothing_that_a_block_refused() {
    assert_bounded(mark_read_sql(), &Kind::ALL, 0).await;
}
