//! Several nodes on one database.

use std::sync::Arc;

use futures::future::join_all;
use nudge_fetch::store::{
    HistoryItem, Store, StoreError,
    conformance::{Person, World},
    postgres::FanOut,
};
use nudge_proto::{ConversationId, UserId, limits::LIST_PAGE_MAX};
use nudge_test_servers::Postgres;

use super::Database;

/// A world whose store is open on three nodes.
pub(super) struct Nodes {
    pub(super) world: World,
    stores: Vec<Arc<dyn Store>>,
}

impl Nodes {
    pub(super) async fn start() -> Self {
        Self::start_with(FanOut::WithCommit).await
    }

    pub(super) async fn start_with(fan_out: FanOut) -> Self {
        let world = World::new(Database::new(fan_out)).await;
        let mut stores = vec![world.store()];
        for _ in 1..NODES {
            stores.push(world.another_node().await);
        }
        Self { world, stores }
    }

    /// One of them, whatever the number.
    pub(super) fn node(&self, number: usize) -> Arc<dyn Store> {
        Arc::clone(&self.stores[number % self.stores.len()])
    }

    /// Does the same on every node at once.
    pub(super) async fn on_all<T, F: Future<Output = T>>(
        &self,
        act: impl Fn(Arc<dyn Store>) -> F,
    ) -> Vec<T> {
        join_all(self.stores.iter().cloned().map(act)).await
    }

    /// People with their first devices.
    pub(super) async fn people(&self, count: usize) -> Vec<Person> {
        let names: Vec<_> = (0..count).map(|number| format!("person{number}")).collect();
        join_all(names.iter().map(|name| self.world.person(name))).await
    }

    /// Stops, and no transaction ever had to be broken off for another's sake.
    pub(super) async fn end(self) {
        for store in &self.stores {
            store.close().await;
        }
        let log = Postgres::shared().log();
        for trouble in ["deadlock detected", "due to lock timeout"] {
            assert!(!log.contains(trouble), "{log}");
        }
    }
}

const NODES: usize = 3;

/// The numbers that a user may see of a conversation, oldest first, over all pages.
pub(super) async fn seen(world: &World, who: Person, conversation: ConversationId) -> Vec<u64> {
    let (store, mut before, mut seen) = (world.store(), None, Vec::new());
    loop {
        let page = store
            .history(who.user_id, conversation, before, LIST_PAGE_MAX, world.now())
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|item| match item {
            HistoryItem::Message(message) => message.seq.0,
            HistoryItem::Change(change) => change.seq.0,
        }));
        before = page.next_before;
        if before.is_none() {
            seen.reverse();
            return seen;
        }
    }
}

/// The one value of those that did not fail.
pub(super) fn only<T>(results: Vec<Result<T, StoreError>>) -> (T, Vec<StoreError>) {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) => refused.push(error),
        }
    }
    assert_eq!(done.len(), 1, "{refused:?}");
    (done.remove(0), refused)
}

/// Whether a user is a present member in another's eyes.
pub(super) async fn is_member(
    world: &World,
    asking: Person,
    conversation: ConversationId,
    who: UserId,
) -> bool {
    let members = world.view(asking, conversation).await.unwrap().members;
    members.iter().any(|member| member.user.id == who)
}
