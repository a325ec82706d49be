//! Conversations, their members and their marks.

use nudge_proto::{
    ConversationId, ConversationSeq, MessageId, RequestId, UserId, pb::content as pb,
};
use prost::Message as _;
use reqwest::Method;

use super::Client;
use crate::{
    Error,
    error::Result,
    model::{self, Conversation, History, MemberReceipt, Message, Role, User},
};

impl Client {
    /// All conversations of the account, with their last message and what is unread.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn conversations(&self) -> Result<Vec<Conversation>> {
        let mut conversations = Vec::new();
        let mut next = String::new();
        loop {
            let path = match next.as_str() {
                "" => "/v1/conversations".to_owned(),
                after => format!("/v1/conversations?after={after}"),
            };
            let page: pb::ConversationPage = self.core.http.get(&path).await?;
            for said in page.conversations {
                conversations.push(self.known(said).await?);
            }
            if page.next.is_empty() {
                return Ok(conversations);
            }
            next = page.next;
        }
    }

    /// One conversation, with all its members.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn conversation(&self, id: ConversationId) -> Result<Conversation> {
        let said = self.core.http.get(&format!("/v1/conversations/{id}")).await?;
        self.known(said).await
    }

    /// The conversation with one other user: the same one, however often it is asked for.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn direct(&self, with: UserId) -> Result<Conversation> {
        self.create(pb::ConversationKind::Direct, "", &[with]).await
    }

    /// Makes a group of this account and `members`.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`]: then it may have been made.
    pub async fn create_group(&self, title: &str, members: &[UserId]) -> Result<Conversation> {
        self.create(pb::ConversationKind::Group, title, members).await
    }

    async fn create(
        &self,
        kind: pb::ConversationKind,
        title: &str,
        members: &[UserId],
    ) -> Result<Conversation> {
        let request = pb::CreateConversationRequest {
            request_id: RequestId::random().to_string(),
            kind: kind.into(),
            member_ids: members.iter().map(ToString::to_string).collect(),
            title: title.to_owned(),
        };
        let said = self.core.http.ask(Method::POST, "/v1/conversations", &request).await?;
        self.known(said).await
    }

    /// Gives a group another title.
    ///
    /// # Errors
    ///
    /// `forbidden`, other refusals, [`Error::Offline`].
    pub async fn set_title(&self, id: ConversationId, title: &str) -> Result<Conversation> {
        self.update(
            id,
            pb::UpdateConversationRequest { title: Some(title.to_owned()), muted_until_ms: None },
        )
        .await
    }

    /// Mutes a conversation for this account until a time in milliseconds since 1970; 0 unmutes.
    ///
    /// # Errors
    ///
    /// Refusals, [`Error::Offline`].
    pub async fn mute(&self, id: ConversationId, until_ms: u64) -> Result<Conversation> {
        self.update(
            id,
            pb::UpdateConversationRequest { title: None, muted_until_ms: Some(until_ms) },
        )
        .await
    }

    async fn update(
        &self,
        id: ConversationId,
        request: pb::UpdateConversationRequest,
    ) -> Result<Conversation> {
        let path = format!("/v1/conversations/{id}");
        let said = self.core.http.ask(Method::PATCH, &path, &request).await?;
        self.known(said).await
    }

    /// Adds somebody to a group, or gives him another role.
    ///
    /// # Errors
    ///
    /// `forbidden`, `conversation_full`, other refusals, [`Error::Offline`].
    pub async fn put_member(&self, id: ConversationId, user: UserId, role: Role) -> Result<()> {
        let request = pb::PutMemberRequest { role: model::role_for_wire(role).into() };
        let path = format!("/v1/conversations/{id}/members/{user}");
        self.core.http.tell(Method::PUT, &path, Some(request.encode_to_vec())).await
    }

    /// Removes somebody from a group; oneself to leave it.
    ///
    /// # Errors
    ///
    /// `forbidden`, other refusals, [`Error::Offline`].
    pub async fn remove_member(&self, id: ConversationId, user: UserId) -> Result<()> {
        let path = format!("/v1/conversations/{id}/members/{user}");
        self.core.http.tell(Method::DELETE, &path, None).await
    }

    /// Up to 100 messages and changes before a number, newest first; without one, the newest.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn history(
        &self,
        id: ConversationId,
        before: Option<ConversationSeq>,
    ) -> Result<History> {
        let path = match before {
            Some(before) => format!("/v1/conversations/{id}/messages?before={before}"),
            None => format!("/v1/conversations/{id}/messages"),
        };
        model::history(self.core.http.get(&path).await?)
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn message(&self, id: MessageId) -> Result<Message> {
        model::message(self.core.http.get(&format!("/v1/messages/{id}")).await?)
    }

    /// Says that everything up to a number was read.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn mark_read(&self, id: ConversationId, up_to: ConversationSeq) -> Result<()> {
        let request = pb::ReadRequest { conversation_seq: up_to.0 };
        let path = format!("/v1/conversations/{id}/read");
        self.core.http.tell(Method::PUT, &path, Some(request.encode_to_vec())).await
    }

    /// What every member has and has read.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn receipts(&self, id: ConversationId) -> Result<Vec<MemberReceipt>> {
        let path = format!("/v1/conversations/{id}/receipts");
        let detail: pb::ReceiptDetail = self.core.http.get(&path).await?;
        detail.members.iter().map(model::member_receipt).collect()
    }

    /// Says that this account is typing; who is not looking misses it.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`].
    pub async fn typing(&self, id: ConversationId) -> Result<()> {
        self.core.http.tell(Method::POST, &format!("/v1/conversations/{id}/typing"), None).await
    }

    /// Who a member of a conversation is: from what this device has seen, or by asking.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for who is no member any more; refusals, [`Error::Offline`].
    pub async fn member(&self, id: ConversationId, user: UserId) -> Result<User> {
        if let Some(known) = self.person(user).await? {
            return Ok(known);
        }
        self.conversation(id).await?;
        self.person(user).await?.ok_or_else(|| Error::Unknown(format!("the user {user}")))
    }

    /// Remembers who is in it.
    async fn known(&self, said: pb::Conversation) -> Result<Conversation> {
        let conversation = model::conversation(said)?;
        for member in &conversation.members {
            self.core.state.put_person(&member.user).await?;
        }
        Ok(conversation)
    }
}
