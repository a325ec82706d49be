//! What people do.

use bytes::Bytes;
use nudge_proto::{ClientMessageId, ConversationId, ConversationSeq, Cursor, InboxSeq, MessageId};

use super::{Person, World, media_kept};
use crate::store::{
    Ack, AckVerdict, ConversationUpdate, Moved, Outcome, Retention, Send, Sent, StoreError, Swept,
    UnixMs,
};

impl World {
    /// A text that could be sent.
    pub fn draft(&self, sender: Person, conversation_id: ConversationId, text: &str) -> Send {
        let now = self.now();
        Send {
            sender: sender.pair(),
            conversation_id,
            client_id: ClientMessageId::random(),
            message_id: MessageId::random(),
            content_type: "text/plain".to_owned(),
            body: Bytes::copy_from_slice(text.as_bytes()),
            media: Vec::new(),
            ttl_s: None,
            media_expire_at: UnixMs(now.0 + media_kept() * 24 * 3600 * 1000),
            now,
        }
    }

    /// The same send once more, as a client would repeat it.
    pub fn retry(&self, send: &Send) -> Send {
        Send { message_id: MessageId::random(), now: self.now(), ..send.clone() }
    }

    /// Sends it.
    pub async fn send(&self, send: Send) -> Result<Sent, StoreError> {
        self.store().send(send).await.map(|outcome| outcome.value)
    }

    /// Sends a text.
    pub async fn say(
        &self,
        sender: Person,
        conversation: ConversationId,
        text: impl AsRef<str>,
    ) -> Sent {
        let sent = self.send(self.draft(sender, conversation, text.as_ref())).await.unwrap();
        assert!(sent.created);
        sent
    }

    /// Changes a title.
    pub async fn rename(
        &self,
        who: Person,
        conversation: ConversationId,
        title: &str,
    ) -> Result<Outcome<()>, StoreError> {
        let title = Some(title.to_owned());
        let update = ConversationUpdate { title, ..ConversationUpdate::default() };
        self.store().update_conversation(who.pair(), conversation, update, self.now()).await
    }

    /// Mutes a conversation for one member.
    pub async fn mute(
        &self,
        who: Person,
        conversation: ConversationId,
        until: UnixMs,
    ) -> Result<Outcome<()>, StoreError> {
        let muted_until = Some(until);
        let update = ConversationUpdate { muted_until, ..ConversationUpdate::default() };
        self.store().update_conversation(who.pair(), conversation, update, self.now()).await
    }

    /// Acknowledges an inbox number.
    pub async fn ack(&self, who: Person, seq: InboxSeq) -> AckVerdict {
        let store = self.store();
        let cursor = Cursor { epoch: store.identity().await?.epoch, seq };
        let ack = Ack { user_id: who.user_id, device_id: who.device_id, cursor };
        store.ack(vec![ack], self.now()).await?.remove(0)
    }

    /// Acknowledges all there is.
    pub async fn ack_all(&self, who: Person) {
        let head = self.head(who).await;
        self.ack(who, head).await.unwrap();
    }

    /// Reads up to a number; where the mark stood before.
    pub async fn read(&self, who: Person, conversation: ConversationId, seq: u64) -> u64 {
        let now = self.now();
        let seq = ConversationSeq(seq);
        self.store().mark_read(who.user_id, conversation, seq, now).await.unwrap().0
    }

    /// Writes every receipt that is due.
    pub async fn settle(&self) -> Vec<Moved> {
        let mut all = Vec::new();
        loop {
            let now = self.now();
            let (moved, next) = self.store().settle_receipts(now).await.unwrap();
            all.extend(moved);
            if next.is_none_or(|next| next > now) {
                return all;
            }
        }
    }

    /// Sweeps until nothing more is found.
    pub async fn sweep(&self, retention: Retention) -> Swept {
        let mut all = Swept::default();
        loop {
            let swept = self.store().sweep(retention, self.now()).await.unwrap();
            all.messages += swept.messages;
            all.inbox_entries += swept.inbox_entries;
            all.send_receipts += swept.send_receipts;
            all.media.extend(swept.media);
            if !swept.more {
                return all;
            }
        }
    }
}
