//! Who is behind a user's id, and which conversation behind its own.

use std::collections::HashMap;

use nudge_client_sdk::{
    ChangeKind, Client, Conversation, ConversationId, ConversationKind, User, UserId,
};

use crate::human;

/// Looks names up, and remembers those of conversations.
#[derive(Debug)]
pub(crate) struct Names {
    client: Client,
    own: User,
    places: HashMap<ConversationId, Place>,
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between this account and this handle.
    Direct(String),
    /// In the group of this title.
    Group(String),
}

impl Names {
    /// Nothing is known yet.
    pub(crate) fn new(client: Client, own: User) -> Self {
        Self { client, own, places: HashMap::new() }
    }

    /// Whether that is this account.
    pub(crate) fn is_own(&self, user: UserId) -> bool {
        user == self.own.id
    }

    /// A member's handle; the id of somebody who cannot be looked up any more.
    pub(crate) async fn handle(&self, conversation: ConversationId, user: UserId) -> String {
        if self.is_own(user) {
            return self.own.handle.clone();
        }
        match self.client.member(conversation, user).await {
            Ok(user) => user.handle,
            Err(error) => {
                tracing::debug!(%error, %user, "nobody knows the handle");
                user.to_string()
            }
        }
    }

    /// Which conversation it is; a group of no title when it cannot be looked up.
    pub(crate) async fn place(&mut self, id: ConversationId) -> Place {
        if let Some(known) = self.places.get(&id) {
            return known.clone();
        }
        match self.client.conversation(id).await {
            Ok(conversation) => {
                let place = self.place_of(&conversation);
                self.places.insert(id, place.clone());
                place
            }
            Err(error) => {
                tracing::debug!(%error, %id, "nobody knows the conversation");
                Place::Group(id.to_string())
            }
        }
    }

    /// The same for one that is at hand.
    pub(crate) fn place_of(&self, conversation: &Conversation) -> Place {
        match conversation.kind {
            ConversationKind::Group if conversation.title.is_empty() => {
                Place::Group(conversation.id.to_string())
            }
            ConversationKind::Group => Place::Group(human::safe_line(&conversation.title)),
            ConversationKind::Direct => {
                let mut members = conversation.members.iter().map(|member| &member.user);
                let other = members.find(|user| !self.is_own(user.id));
                Place::Direct(other.unwrap_or(&self.own).handle.clone())
            }
        }
    }

    /// Follows a change of a title.
    pub(crate) fn note(&mut self, id: ConversationId, change: &ChangeKind) {
        if let ChangeKind::Title(title) = change {
            self.places.insert(id, Place::Group(human::safe_line(title)));
        }
    }
}

impl Place {
    /// The handle or the title.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct(name) | Self::Group(name) => name,
        }
    }

    /// "direct" or "group".
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Group(_) => "group",
        }
    }
}
