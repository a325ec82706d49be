use crate::store::Send;

/// What two sends under one client-made id must agree on: BLAKE3 over the decoded fields, each led
/// by its length.
#[must_use]
pub fn send_digest(send: &Send) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(send.content_type.as_bytes());
    field(&send.body);
    field(&send.ttl_s.map_or_else(Vec::new, |ttl_s| ttl_s.to_be_bytes().to_vec()));
    for medium in &send.media {
        field(medium.as_bytes());
    }
    hasher.finalize().into()
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
