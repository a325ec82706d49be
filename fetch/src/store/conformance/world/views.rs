//! What people see.

use nudge_proto::{
    ConversationId, Cursor, InboxSeq,
    limits::{INBOX_PAGE_ENTRIES_MAX, LIST_PAGE_MAX, PAGE_BYTES_MAX},
};

use super::{Person, World};
use crate::store::{
    Change, ChangeKind, Conversation, HistoryItem, InboxItem, InboxPage, Message, PageLimits,
    Receipt, StoreError,
};

impl World {
    /// A page of an inbox.
    pub async fn page(
        &self,
        who: Person,
        after: u64,
        limits: PageLimits,
    ) -> Result<InboxPage, StoreError> {
        let store = self.store();
        let cursor = Cursor { epoch: store.identity().await?.epoch, seq: InboxSeq(after) };
        store.inbox_page(who.user_id, cursor, limits, self.now()).await
    }

    /// The largest page of an inbox.
    pub async fn inbox(&self, who: Person, after: u64) -> InboxPage {
        let limits = PageLimits { entries: INBOX_PAGE_ENTRIES_MAX, bytes: PAGE_BYTES_MAX };
        self.page(who, after, limits).await.unwrap()
    }

    /// The head of an inbox.
    pub async fn head(&self, who: Person) -> InboxSeq {
        let limits = PageLimits { entries: 1, bytes: 0 };
        self.page(who, 0, limits).await.unwrap().head
    }

    /// The texts in an inbox, in order.
    pub async fn texts(&self, who: Person) -> Vec<String> {
        let entries = self.inbox(who, 0).await.entries.into_iter();
        entries
            .filter_map(|entry| match entry.item {
                InboxItem::Message(message) => Some(text(&message)),
                InboxItem::Change(_) | InboxItem::Receipt(_) => None,
            })
            .collect()
    }

    /// The changes in an inbox, in order.
    pub async fn changes(&self, who: Person) -> Vec<Change> {
        let entries = self.inbox(who, 0).await.entries.into_iter();
        entries
            .filter_map(|entry| match entry.item {
                InboxItem::Change(change) => Some(change),
                InboxItem::Message(_) | InboxItem::Receipt(_) => None,
            })
            .collect()
    }

    /// The live receipts in an inbox.
    pub async fn receipts(&self, who: Person) -> Vec<Receipt> {
        let entries = self.inbox(who, 0).await.entries.into_iter();
        entries
            .filter_map(|entry| match entry.item {
                InboxItem::Receipt(receipt) => Some(receipt),
                InboxItem::Message(_) | InboxItem::Change(_) => None,
            })
            .collect()
    }

    /// What a user may see of a conversation, oldest first: texts, and words for changes.
    pub async fn history(&self, who: Person, conversation: ConversationId) -> Vec<String> {
        let (store, now) = (self.store(), self.now());
        let page = store.history(who.user_id, conversation, None, LIST_PAGE_MAX, now).await;
        let word = |item: &HistoryItem| match item {
            HistoryItem::Message(message) => text(message),
            HistoryItem::Change(change) => word(&change.kind).to_owned(),
        };
        page.unwrap().items.iter().rev().map(word).collect()
    }

    /// One conversation.
    pub async fn view(
        &self,
        who: Person,
        conversation: ConversationId,
    ) -> Result<Conversation, StoreError> {
        self.store().conversation(who.user_id, conversation, self.now()).await
    }

    /// Delivered and read mark of a member, as another sees them.
    pub async fn marks_of(
        &self,
        asking: Person,
        conversation: ConversationId,
        of: Person,
    ) -> (u64, u64) {
        let marks = self.store().marks(asking.user_id, conversation).await.unwrap();
        let marks = marks.iter().find(|marks| marks.user_id == of.user_id).unwrap();
        (marks.delivered.0, marks.read.0)
    }
}

fn text(message: &Message) -> String {
    String::from_utf8(message.body.to_vec()).unwrap()
}

const fn word(change: &ChangeKind) -> &'static str {
    match change {
        ChangeKind::Created => "created",
        ChangeKind::Joined(..) => "joined",
        ChangeKind::Left(_) => "left",
        ChangeKind::Removed(_) => "removed",
        ChangeKind::Role(..) => "role",
        ChangeKind::Title(_) => "title",
    }
}
