//! Who is there, and in which conversations.

use nudge_proto::{ConversationId, DeviceId, RequestId, UserId};

use super::{Person, World};
use crate::store::{ConversationKind, NewAccount, NewConversation, OpenDevice, Role};

impl World {
    /// An account that could be made.
    pub fn new_account(&self, handle: &str) -> NewAccount {
        NewAccount {
            user_id: UserId::random(),
            request_id: RequestId::random(),
            handle: handle.parse().unwrap(),
            display_name: format!("the one called {handle}"),
            password_hash: Some("hash".to_owned()),
            now: self.now(),
        }
    }

    /// A new user on his first device.
    pub async fn person(&self, handle: &str) -> Person {
        let new = self.new_account(handle);
        let user_id = new.user_id;
        assert!(self.store().create_account(new).await.unwrap().created);
        self.device_of(user_id).await
    }

    /// The same user on a new device.
    pub async fn device_of(&self, user_id: UserId) -> Person {
        let open = self.log_in(user_id, 1);
        let person = Person { user_id, device_id: open.device_id };
        assert!(self.store().open_device(open).await.unwrap().created);
        person
    }

    /// A log in on a new device.
    pub fn log_in(&self, user_id: UserId, refresh_chain: u64) -> OpenDevice {
        OpenDevice {
            user_id,
            device_id: DeviceId::random(),
            name: "a phone".to_owned(),
            refresh_chain,
            now: self.now(),
        }
    }

    /// A direct conversation that could be made.
    pub fn new_direct(&self, creator: Person, other: UserId) -> NewConversation {
        NewConversation {
            id: ConversationId::random(),
            creator: creator.pair(),
            request_id: None,
            kind: ConversationKind::Direct,
            members: vec![other],
            title: String::new(),
            now: self.now(),
        }
    }

    /// A group that could be made.
    pub fn new_group(&self, creator: Person, others: &[Person]) -> NewConversation {
        NewConversation {
            request_id: Some(RequestId::random()),
            kind: ConversationKind::Group,
            members: others.iter().map(|other| other.user_id).collect(),
            title: "friends".to_owned(),
            ..self.new_direct(creator, creator.user_id)
        }
    }

    /// The direct conversation of two.
    pub async fn direct(&self, creator: Person, other: Person) -> ConversationId {
        let new = self.new_direct(creator, other.user_id);
        self.store().create_conversation(new).await.unwrap().value.0
    }

    /// A new group.
    pub async fn group(&self, creator: Person, others: &[Person]) -> ConversationId {
        let new = self.new_group(creator, others);
        self.store().create_conversation(new).await.unwrap().value.0
    }

    /// Adds a member, by an admin.
    pub async fn add(&self, admin: Person, group: ConversationId, who: Person, role: Role) {
        let now = self.now();
        let store = self.store();
        let _ = store.put_member(admin.pair(), group, who.user_id, role, now).await.unwrap();
    }

    /// Removes a member.
    pub async fn remove(&self, actor: Person, group: ConversationId, who: Person) {
        let now = self.now();
        let store = self.store();
        let _ = store.remove_member(actor.pair(), group, who.user_id, now).await.unwrap();
    }

    /// Blocks.
    pub async fn block(&self, who: Person, other: Person) {
        self.store().set_block(who.user_id, other.user_id, true).await.unwrap();
    }

    /// Unblocks.
    pub async fn unblock(&self, who: Person, other: Person) {
        self.store().set_block(who.user_id, other.user_id, false).await.unwrap();
    }
}
