//! Members come, go and speak through different nodes at the same time.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use nudge_fetch::store::{
    ChangeKind, ConversationKind, InboxItem, NewConversation, Role, Store, StoreError,
    conformance::{Person, World},
    postgres::FanOut,
};
use nudge_proto::{ConversationId, RequestId, UserId, limits::GROUP_MEMBERS_MAX};

use super::nodes::{Nodes, is_member, only, seen};

/// Sends through a node, one after the other.
async fn talk(
    world: &World,
    store: &Arc<dyn Store>,
    who: Person,
    group: ConversationId,
    count: usize,
) {
    for number in 0..count {
        let draft = world.draft(who, group, &format!("{number}"));
        let _ = store.send(draft).await.unwrap();
    }
}

async fn put(
    world: &World,
    store: &Arc<dyn Store>,
    admin: Person,
    group: ConversationId,
    who: Person,
) {
    let now = world.now();
    let put = store.put_member(admin.pair(), group, who.user_id, Role::Member, now).await;
    let _ = put.unwrap();
}

async fn remove(
    world: &World,
    store: &Arc<dyn Store>,
    actor: Person,
    group: ConversationId,
    who: Person,
) {
    let now = world.now();
    let _ = store.remove_member(actor.pair(), group, who.user_id, now).await.unwrap();
}

/// All numbers of messages and changes in an inbox, in the order of the inbox.
async fn told(world: &World, who: Person, group: ConversationId) -> Vec<u64> {
    let (mut told, mut after) = (Vec::new(), 0);
    loop {
        let page = world.inbox(who, after).await;
        for entry in &page.entries {
            match &entry.item {
                InboxItem::Message(message) if message.conversation_id == group => {
                    told.push(message.seq.0);
                }
                InboxItem::Change(change) if change.conversation_id == group => {
                    told.push(change.seq.0);
                }
                InboxItem::Message(_) | InboxItem::Change(_) | InboxItem::Receipt(_) => {}
            }
        }
        if page.through == page.head {
            return told;
        }
        after = page.through.0;
    }
}

/// The numbers of [joined, left] of a user, as an admin was told of them.
async fn intervals(world: &World, admin: Person, who: UserId, end: u64) -> Vec<(u64, u64)> {
    let mut intervals = Vec::new();
    let mut joined = None;
    for change in world.changes(admin).await {
        match change.kind {
            ChangeKind::Joined(user, _) if user == who => joined = Some(change.seq.0),
            ChangeKind::Removed(user) | ChangeKind::Left(user) if user == who => {
                intervals.extend(joined.take().map(|joined| (joined, change.seq.0)));
            }
            ChangeKind::Created
            | ChangeKind::Joined(..)
            | ChangeKind::Left(_)
            | ChangeKind::Removed(_)
            | ChangeKind::Role(..)
            | ChangeKind::Title(_) => {}
        }
    }
    intervals.extend(joined.map(|joined| (joined, end)));
    intervals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_who_comes_and_goes_while_others_send_has_exactly_what_was_said_meanwhile() {
    come_and_go(FanOut::WithCommit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_who_comes_and_goes_has_the_same_when_inboxes_come_after_the_commit() {
    come_and_go(FanOut::AfterCommit).await;
}

async fn come_and_go(fan_out: FanOut) {
    let nodes = Nodes::start_with(fan_out).await;
    let world = &nodes.world;
    let people = nodes.people(4).await;
    let (ada, bob, eve) = (people[0], people[1], people[3]);
    let group = world.group(ada, &people[1..3]).await;
    let (first, second, third) = (nodes.node(0), nodes.node(1), nodes.node(2));
    let comes_and_goes = async {
        for _ in 0..15 {
            put(world, &third, ada, group, eve).await;
            remove(world, &second, ada, group, eve).await;
        }
        put(world, &first, ada, group, eve).await;
    };
    tokio::join!(
        comes_and_goes,
        talk(world, &first, ada, group, 60),
        talk(world, &second, bob, group, 60),
        talk(world, &third, people[2], group, 60),
    );
    let all = told(world, ada, group).await;
    let head = all.len() as u64;
    assert_eq!(all, (1..=head).collect::<Vec<_>>(), "one order without a gap");
    let intervals = intervals(world, ada, eve.user_id, head).await;
    assert_eq!(intervals.len(), 16);
    let hers: Vec<_> = intervals.iter().flat_map(|(joined, left)| *joined..=*left).collect();
    assert_eq!(told(world, eve, group).await, hers);
    assert_eq!(seen(world, eve, group).await, hers);
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_while_he_is_removed_has_sent_before_or_has_not_sent() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let people = nodes.people(2).await;
    let (ada, bob) = (people[0], people[1]);
    for round in 0..10 {
        let group = world.group(ada, &[bob]).await;
        let sends = join_all((0..6).map(async |number| {
            nodes.node(number).send(world.draft(bob, group, &format!("{number}"))).await
        }));
        let remover = nodes.node(round);
        let (sent, ()) = tokio::join!(sends, remove(world, &remover, ada, group, bob));
        let changes = world.changes(ada).await;
        let removed = changes.iter().find(|change| {
            change.conversation_id == group && change.kind == ChangeKind::Removed(bob.user_id)
        });
        let removed = removed.unwrap().seq.0;
        for sent in sent {
            match sent {
                Ok(sent) => assert!(sent.value.seq.0 < removed),
                Err(error) => assert_eq!(error, StoreError::NotFound("conversation")),
            }
        }
        assert_eq!(told(world, ada, group).await, (1..=removed).collect::<Vec<_>>());
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_admins_leaving_at_once_through_different_nodes_leave_one_behind() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let people = nodes.people(6).await;
    for _ in 0..10 {
        let group = world.group(people[0], &people[1..]).await;
        for who in &people[1..3] {
            world.add(people[0], group, *who, Role::Admin).await;
        }
        join_all(people[..3].iter().enumerate().map(async |(number, who)| {
            remove(world, &nodes.node(number), *who, group, *who).await;
        }))
        .await;
        let view = world.view(people[5], group).await.unwrap();
        let admins: Vec<_> =
            view.members.iter().filter(|member| member.role == Role::Admin).collect();
        assert_eq!(view.member_count, 3);
        assert_eq!(admins.len(), 1, "{admins:?}");
        assert_eq!(seen(world, people[5], group).await, (1..=view.head.0).collect::<Vec<_>>());
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_last_place_is_given_once() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let accounts =
        (0..GROUP_MEMBERS_MAX - 2).map(|number| world.new_account(&format!("member{number}")));
    let accounts: Vec<_> = accounts.collect();
    let members: Vec<_> = accounts.iter().map(|new| new.user_id).collect();
    for (number, some) in accounts.chunks(100).enumerate() {
        let store = nodes.node(number);
        join_all(some.iter().map(|new| store.create_account(new.clone()))).await;
    }
    let people = nodes.people(4).await;
    let new = NewConversation {
        kind: ConversationKind::Group,
        request_id: Some(RequestId::random()),
        members,
        ..world.new_direct(people[0], people[1].user_id)
    };
    let group = nodes.node(0).create_conversation(new).await.unwrap().value.0;
    let put = join_all(people[1..].iter().enumerate().map(async |(number, who)| {
        let (admin, now) = (people[0].pair(), world.now());
        nodes.node(number).put_member(admin, group, who.user_id, Role::Member, now).await
    }))
    .await;
    let (put, refused) = only(put);
    assert_eq!(put.moved.len(), GROUP_MEMBERS_MAX);
    let full = StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX };
    assert_eq!(refused, [full.clone(), full]);
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_done_by_all_nodes_while_others_send_leaves_every_conversation_once() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let people = nodes.people(4).await;
    let (ada, bob) = (people[0], people[3]);
    let mut groups = Vec::new();
    for _ in 0..6 {
        groups.push(world.group(ada, &people[1..]).await);
    }
    groups.push(world.direct(bob, ada).await);
    talk(world, &nodes.node(0), bob, groups[6], 1).await;
    nodes.node(1).begin_deletion(bob.user_id, world.now()).await.unwrap();
    let deletions = nodes
        .on_all(async |store| while store.continue_deletion(world.now()).await.unwrap().value {});
    let talks = join_all(groups.iter().enumerate().map(|(number, group)| {
        let store = nodes.node(number);
        async move { talk(world, &store, ada, *group, 8).await }
    }));
    tokio::join!(deletions, talks);
    for group in groups {
        let numbers = told(world, ada, group).await;
        assert_eq!(numbers, (numbers[0]..=numbers[numbers.len() - 1]).collect::<Vec<_>>());
        let left = |change: &&nudge_fetch::store::Change| {
            change.conversation_id == group && change.kind == ChangeKind::Left(bob.user_id)
        };
        assert_eq!(world.changes(ada).await.iter().filter(left).count(), 1);
        assert!(!is_member(world, ada, group, bob.user_id).await);
    }
    nodes.end().await;
}

/// What was under way when he went is done before, or refused: never found later by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_deleted_while_others_add_him_is_in_nothing_afterwards() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let ada = world.person("ada").await;
    for round in 0..10 {
        let bob = world.person(&format!("bob{round}")).await;
        let groups = join_all((0..3).map(|_| world.group(ada, &[]))).await;
        let adds = join_all(groups.iter().enumerate().map(async |(number, group)| {
            let (admin, now) = (ada.pair(), world.now());
            nodes.node(number).put_member(admin, *group, bob.user_id, Role::Member, now).await
        }));
        let made = async {
            let store = nodes.node(round);
            store.create_conversation(world.new_group(ada, &[bob])).await
        };
        let opened = async {
            let store = nodes.node(round + 1);
            store.open_device(world.log_in(bob.user_id, 1)).await
        };
        let deletion = async {
            let store = nodes.node(round + 2);
            store.begin_deletion(bob.user_id, world.now()).await.unwrap();
            while store.continue_deletion(world.now()).await.unwrap().value {}
        };
        let (added, made, opened, ()) = tokio::join!(adds, made, opened, deletion);
        let gone = StoreError::NotFound("user");
        assert!(added.iter().all(|added| added.as_ref().err().is_none_or(|why| *why == gone)));
        assert!(opened.err().is_none_or(|why| why == gone));
        let made = made.map(|made| made.value.0);
        assert!(made.as_ref().err().is_none_or(|why| *why == gone));
        for group in groups.into_iter().chain(made) {
            assert!(!is_member(world, ada, group, bob.user_id).await);
        }
        assert_eq!(nodes.node(0).devices(bob.user_id).await.unwrap(), []);
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn titles_changed_through_all_nodes_are_told_in_one_order() {
    let nodes = Nodes::start().await;
    let world = &nodes.world;
    let people = nodes.people(3).await;
    let group = world.group(people[0], &people[1..]).await;
    for who in &people[1..] {
        world.add(people[0], group, *who, Role::Admin).await;
    }
    join_all(people.iter().enumerate().map(async |(number, who)| {
        for round in 0..10 {
            let title = Some(format!("{number}.{round}"));
            let update = nudge_fetch::store::ConversationUpdate { title, muted_until: None };
            let store = nodes.node(number);
            let _ =
                store.update_conversation(who.pair(), group, update, world.now()).await.unwrap();
        }
    }))
    .await;
    let orders = join_all(people.iter().map(|who| world.changes(*who))).await;
    let titles: BTreeSet<_> = orders[0].iter().map(|change| format!("{:?}", change.kind)).collect();
    assert_eq!(titles.len(), 33, "three of the beginning and thirty titles");
    assert!(orders.iter().all(|order| *order == orders[0]));
    let last = orders[0].last().unwrap();
    let title = world.view(people[0], group).await.unwrap().title;
    assert_eq!(last.kind, ChangeKind::Title(title));
    nodes.end().await;
}
