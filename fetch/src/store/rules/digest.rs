use crate::store::{NewConversation, Send};

/// What two sends under one client-made id must agree on: BLAKE3 over the decoded fields, each led
/// by its length.
#[must_use]
pub fn send_digest(send: &Send) -> [u8; 32] {
    let mut digest = FieldDigest::default();
    digest.field(send.content_type.as_bytes());
    digest.field(&send.body);
    digest.field(send.ttl_s.map(u64::to_be_bytes).as_ref().map_or(&[][..], |ttl_s| ttl_s));
    for medium in &send.media {
        digest.field(medium.as_bytes());
    }
    digest.finish()
}

/// What two creations of a group under one client-made id must agree on: its title and its members,
/// in any order.
#[must_use]
pub fn group_digest(new: &NewConversation) -> [u8; 32] {
    let mut members = new.members.clone();
    members.sort_unstable();
    members.dedup();
    let mut digest = FieldDigest::default();
    digest.field(new.title.as_bytes());
    for member in &members {
        digest.field(member.as_bytes());
    }
    digest.finish()
}

/// BLAKE3 over fields, each led by its length: no two lists of fields run into each other.
#[derive(Default)]
struct FieldDigest(blake3::Hasher);

impl FieldDigest {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn finish(&self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nudge_proto::{ClientMessageId, ConversationId, DeviceId, MessageId, UserId};

    use super::*;
    use crate::store::UnixMs;

    #[test]
    fn the_digest_tells_content_and_nothing_else() {
        let send = Send {
            sender: (UserId::random(), DeviceId::random()),
            conversation_id: ConversationId::random(),
            client_id: ClientMessageId::random(),
            message_id: MessageId::random(),
            content_type: "text/plain".to_owned(),
            body: Bytes::from("hello"),
            media: Vec::new(),
            ttl_s: None,
            media_expire_at: UnixMs(9),
            now: UnixMs(1),
        };
        let retry = Send { message_id: MessageId::random(), now: UnixMs(2), ..send.clone() };
        assert_eq!(send_digest(&send), send_digest(&retry));
        // The same bytes, cut at another place.
        let moved = Send {
            content_type: "text/plainh".to_owned(),
            body: Bytes::from("ello"),
            ..send.clone()
        };
        assert_ne!(send_digest(&send), send_digest(&moved));
        let expiring = Send { ttl_s: Some(0), ..send.clone() };
        assert_ne!(send_digest(&send), send_digest(&expiring));
    }
}
