//! Accounts that go.

use nudge_proto::ConversationId;

use super::{Person, World};
use crate::store::{ChangeKind, DeviceState, NewAccount, Refresh, Refreshed, Role, StoreError};

/// Runs the queued deletions to their end; the number of steps.
async fn finish(world: &World) -> usize {
    for steps in 0..10_000 {
        if !world.store().continue_deletion(world.now()).await.unwrap().value {
            return steps;
        }
    }
    panic!("a deletion does not end");
}

async fn delete(world: &World, who: Person) {
    world.store().begin_deletion(who.user_id, world.now()).await.unwrap();
    finish(world).await;
}

/// Before any of the queued steps ran.
pub async fn a_deletion_takes_the_account_away_at_once(world: &World) {
    let ada = world.person("ada").await;
    let tablet = world.device_of(ada.user_id).await;
    world.store().begin_deletion(ada.user_id, world.now()).await.unwrap();
    let store = world.store();
    assert_eq!(store.account(ada.user_id).await.unwrap(), None);
    assert_eq!(store.account_by_handle(&"ada".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.devices(ada.user_id).await.unwrap(), []);
    let states = store.device_states(&[ada.pair(), tablet.pair()]).await.unwrap();
    assert!(states.iter().all(|state: &DeviceState| state.revoked));
    let refresh = Refresh {
        user_id: ada.user_id,
        device_id: ada.device_id,
        chain: 1,
        n: 1,
        now: world.now(),
    };
    assert_eq!(store.refresh(refresh).await.unwrap(), Refreshed::Ended);
    let log_in = store.open_device(world.log_in(ada.user_id, 1)).await.unwrap_err();
    assert_eq!(log_in, StoreError::NotFound("user"));
}

/// The others hear of it as of any other leaving, and the oldest of them is promoted.
pub async fn a_deletion_leaves_conversations_by_numbered_entries(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let group = world.group(ada, &[]).await;
    world.add(ada, group, bob, Role::Member).await;
    world.add(ada, group, eve, Role::Member).await;
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "goodbye").await;
    delete(world, ada).await;
    let changes = world.changes(bob).await;
    let left = |of: ConversationId| {
        let left = |change: &&crate::store::Change| {
            change.conversation_id == of && change.kind == ChangeKind::Left(ada.user_id)
        };
        changes.iter().find(left).unwrap().seq.0
    };
    assert_eq!((left(group), left(direct)), (4, 2));
    let promoted = ChangeKind::Role(bob.user_id, Role::Admin);
    assert!(changes.iter().any(|change| change.kind == promoted && change.seq.0 == 5));
    let view = world.view(eve, group).await.unwrap();
    assert_eq!((view.member_count, view.head.0), (2, 5));
}

/// Each step does a part, and a repetition of any changes nothing for the worse.
pub async fn a_deletion_goes_on_after_any_step(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let mut groups = Vec::new();
    for _ in 0..4 {
        groups.push(world.group(ada, &[bob]).await);
    }
    world.store().begin_deletion(ada.user_id, world.now()).await.unwrap();
    let mut steps = 0;
    while world.store().continue_deletion(world.now()).await.unwrap().value {
        steps += 1;
        world.reopen().await;
        world.store().begin_deletion(ada.user_id, world.now()).await.unwrap();
    }
    assert!(steps >= groups.len(), "{steps} steps are too few to be bounded ones");
    let left = |change: &&crate::store::Change| change.kind == ChangeKind::Left(ada.user_id);
    assert_eq!(world.changes(bob).await.iter().filter(left).count(), groups.len());
    let store = world.store();
    assert!(!store.continue_deletion(world.now()).await.unwrap().value, "nothing is left to do");
    assert_eq!(world.page(ada, 0, ALL).await.unwrap_err(), StoreError::NotFound("inbox"));
}

const ALL: crate::store::PageLimits = crate::store::PageLimits { entries: 500, bytes: 1 << 20 };

/// Messages and media stay; of their sender only the id does.
pub async fn a_deletion_keeps_what_others_received(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (direct, group) = (world.direct(ada, bob).await, world.group(bob, &[ada]).await);
    let medium = world.medium(ada).await;
    world.show(ada, direct, medium).await.unwrap();
    world.say(ada, group, "goodbye").await;
    delete(world, ada).await;
    assert_eq!(world.texts(bob).await, ["look", "goodbye"]);
    assert_eq!(world.history(bob, direct).await, ["look", "left"]);
    assert!(world.may_read(bob, medium).await);
    // Nothing more is ever delivered to who is gone, and who is left can go on.
    world.say(bob, direct, "hello?").await;
    let view = world.view(bob, direct).await.unwrap();
    assert_eq!((view.member_count, view.members.len()), (1, 1));
}

/// Not to anybody, and not by a retry of its registration.
pub async fn a_deleted_handle_is_never_given_again(world: &World) {
    let new = world.new_account("ada");
    let store = world.store();
    store.create_account(new.clone()).await.unwrap();
    store.begin_deletion(new.user_id, world.now()).await.unwrap();
    finish(world).await;
    let taken = StoreError::HandleTaken(new.handle.clone());
    assert_eq!(store.create_account(new.clone()).await.unwrap_err(), taken);
    let other = NewAccount { ..world.new_account("ada") };
    assert_eq!(store.create_account(other).await.unwrap_err(), taken);
    let of_issuer = store.account_of_issuer("issuer ada", world.new_account("ada")).await;
    assert_eq!(of_issuer.unwrap_err(), taken);
}

/// Neither by others nor by a request of his own that was under way.
pub async fn a_deleted_user_joins_nothing(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(bob, &[]).await;
    delete(world, ada).await;
    let store = world.store();
    let unknown = StoreError::NotFound("user");
    let put = store.put_member(bob.pair(), group, ada.user_id, Role::Member, world.now()).await;
    assert_eq!(put.unwrap_err(), unknown);
    for new in [
        world.new_direct(bob, ada.user_id),
        world.new_group(bob, &[ada]),
        world.new_direct(ada, bob.user_id),
        world.new_group(ada, &[bob]),
    ] {
        assert_eq!(store.create_conversation(new).await.unwrap_err(), unknown);
    }
    assert_eq!(store.set_block(bob.user_id, ada.user_id, true).await.unwrap_err(), unknown);
    assert_eq!(world.inbox(bob, 0).await.entries.len(), 1, "his own group and nothing else");
}

/// A conversation in which nothing was said is nobody's news when its maker goes.
pub async fn a_deletion_tells_nobody_of_a_conversation_he_does_not_know(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    world.direct(ada, bob).await;
    let blocked = world.direct(ada, eve).await;
    world.block(eve, ada).await;
    world.say(ada, blocked, "can you hear me?").await;
    delete(world, ada).await;
    for who in [bob, eve] {
        assert!(world.inbox(who, 0).await.entries.is_empty());
        let store = world.store();
        let list = store.conversations(who.user_id, None, 10, world.now()).await.unwrap();
        assert!(list.conversations.is_empty());
    }
}
