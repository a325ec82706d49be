//! Ids, cursors, handles and the JSON form: what is read, and what is refused.

use bytes::Bytes;
use nudge_proto::{Cursor, Epoch, Handle, InboxSeq, MessageId, UserId, pb::content as pb};
use proptest::prelude::*;
use serde_json::json;
use uuid::{Uuid, Variant};

use crate::strategies;

const ID: &str = "0189f7ea-ae2c-7a3f-8b1c-0123456789ab";

mod ids {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_its_bytes_and_its_json() {
        let id: MessageId = ID.parse().unwrap();
        assert_eq!(id.to_string(), ID);
        assert_eq!(format!("{id:?}"), format!("MessageId({ID})"));
        assert_eq!(MessageId::from_slice(id.as_bytes()), Ok(id));
        assert_eq!(MessageId::from(id.uuid()), id);
        assert_eq!(serde_json::to_value(id).unwrap(), json!(ID));
        assert_eq!(serde_json::from_value::<MessageId>(json!(ID)).unwrap(), id);
    }

    #[test]
    fn what_is_no_id_is_quoted_in_short() {
        for text in ["", "x", "0189f7ea-ae2c-7a3f-8b1c-0123456789a", &format!("{ID}0")] {
            let error = text.parse::<MessageId>().unwrap_err();
            assert_eq!(error.to_string(), format!("a message id must be a UUID, not {text:?}"));
        }
        let error = "é".repeat(100_000).parse::<UserId>().unwrap_err();
        assert_eq!(error.value.chars().count(), 64);
    }

    #[test]
    fn bytes_of_any_other_length_are_no_id() {
        for length in (0..64).filter(|length| *length != 16) {
            let error = UserId::from_slice(&vec![0; length]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a user id must be a UUID, not \"{length} bytes\"")
            );
        }
    }

    #[test]
    fn ids_made_at_a_time_are_version_7_and_sort_by_it() {
        let times = [0, 1, 1_000, 1_764_000_000_000, (1 << 48) - 1];
        let ids = times.map(MessageId::at_time);
        assert!(ids.is_sorted());
        for (id, unix_ms) in ids.iter().zip(times) {
            assert_eq!(id.uuid().get_version_num(), 7);
            assert_eq!(id.uuid().get_variant(), Variant::RFC4122);
            assert_eq!(id.as_bytes()[..6], unix_ms.to_be_bytes()[2..]);
        }
    }

    #[test]
    fn two_ids_made_at_one_time_differ_in_all_their_randomness() {
        let pairs = (0..64).map(|_| (MessageId::at_time(7).uuid(), MessageId::at_time(7).uuid()));
        let differing =
            pairs.fold(0, |bits, (one, other)| bits | (one.as_u128() ^ other.as_u128()));
        // RFC 9562, section 5.7: 12 random bits after the version, 62 after the variant.
        assert_eq!(differing, (0xfff << 64) | ((1 << 62) - 1));
    }

    #[test]
    fn random_ids_are_version_4() {
        assert_eq!(UserId::random().uuid().get_version_num(), 4);
        assert_ne!(UserId::random(), UserId::random());
    }
}

mod cursors {
    use super::*;

    #[test]
    fn a_cursor_is_two_numbers() {
        let cursor = Cursor { epoch: Epoch(3), seq: InboxSeq(41) };
        assert_eq!("3.41".parse(), Ok(cursor));
        assert_eq!(cursor.to_string(), "3.41");
        assert_eq!(Cursor::start(Epoch(3)).to_string(), "3.0");
        assert_eq!(InboxSeq(41).next(), InboxSeq(42));
    }

    #[test]
    fn each_cursor_has_one_text_and_all_others_are_refused() {
        for text in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "1.2.3",
            "1..2",
            "a.b",
            "1.b",
            "-1.2",
            "1.-2",
            "+1.2",
            "1.+2",
            " 1.2",
            "1.2 ",
            "01.2",
            "1.02",
            "1.00",
            "0x1.2",
            "1,2",
            "1.2\n",
            "١.٢",
            "18446744073709551616.0",
        ] {
            let error = text.parse::<Cursor>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("a cursor is two numbers, epoch.seq, not {text:?}")
            );
        }
    }

    #[test]
    fn a_refused_cursor_is_quoted_in_short() {
        let error = "9".repeat(100_000).parse::<Cursor>().unwrap_err();
        assert!(error.to_string().len() < 120);
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back(cursor in strategies::cursor()) {
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn a_text_that_is_read_is_the_cursors_own(text in "[0-9+. ]{0,8}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}

mod handles {
    use super::*;

    #[test]
    fn a_handle_is_folded_to_lower_case() {
        for (text, handle) in [
            ("ada", "ada"),
            ("ADA", "ada"),
            ("a1._-", "a1._-"),
            ("Bob.The-Builder_2", "bob.the-builder_2"),
            ("abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345"),
        ] {
            let parsed: Handle = text.parse().unwrap();
            assert_eq!(parsed.as_str(), handle);
            assert_eq!(parsed.to_string(), handle);
        }
    }

    #[test]
    fn what_is_no_handle_is_refused_with_the_rule() {
        for text in [
            "",
            "ab",
            "1ab",
            ".ab",
            "_ab",
            "-ab",
            "a b",
            "ab ",
            "a/b",
            "a@b",
            "añb",
            "ада",
            "K\u{212a}k",
            "a\0b",
            "abcdefghijklmnopqrstuvwxyz0123456",
        ] {
            let error = text.parse::<Handle>().unwrap_err().to_string();
            assert!(error.starts_with("a handle has 3 to 32 characters"), "{error}");
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_handle_reads_back_as_itself(text in "[a-zA-Z][a-zA-Z0-9._-]{2,31}") {
            let handle: Handle = text.parse().unwrap();
            prop_assert_eq!(handle.as_str().parse(), Ok(handle.clone()));
        }

        #[test]
        fn any_text_is_a_handle_or_an_error(text in any::<String>()) {
            if let Ok(handle) = text.parse::<Handle>() {
                prop_assert!(handle.as_str().eq_ignore_ascii_case(&text));
            }
        }
    }
}

mod json_form {
    use super::*;

    #[test]
    fn bytes_are_base64_with_padding() {
        let request = pb::SendRequest { body: Bytes::from_static(b"hi!!"), ..Default::default() };
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(json["body"], "aGkhIQ==");
        assert_eq!(serde_json::from_value::<pb::SendRequest>(json).unwrap(), request);
    }

    #[test]
    fn anything_else_than_base64_with_padding_is_refused() {
        for body in ["aGkhIQ", "aGkhIQ=", "aGk_IQ==", "aGkhIR==", "a", " aGkhIQ==", "aGkh\nIQ=="] {
            let error =
                serde_json::from_value::<pb::SendRequest>(json!({ "body": body })).unwrap_err();
            assert!(error.to_string().starts_with("not base64 with padding"), "{body:?}: {error}");
        }
        assert!(serde_json::from_value::<pb::SendRequest>(json!({ "body": 7 })).is_err());
    }

    #[test]
    fn an_enum_is_a_word() {
        for (value, word) in [
            (pb::ConversationKind::Unspecified, "unspecified"),
            (pb::ConversationKind::Direct, "direct"),
            (pb::ConversationKind::Group, "group"),
        ] {
            let request =
                pb::CreateConversationRequest { kind: value.into(), ..Default::default() };
            let json = serde_json::to_value(&request).unwrap();
            assert_eq!(json["kind"], word);
            assert_eq!(
                serde_json::from_value::<pb::CreateConversationRequest>(json).unwrap(),
                request
            );
        }
        for (value, word) in [(pb::Role::Member, "member"), (pb::Role::Admin, "admin")] {
            let json = serde_json::to_value(pb::PutMemberRequest { role: value.into() }).unwrap();
            assert_eq!(json, json!({ "role": word }));
        }
    }

    #[test]
    fn an_optional_enum_is_a_word_or_absent() {
        let change = pb::Change {
            kind: pb::ChangeKind::Role.into(),
            role: Some(pb::Role::Admin.into()),
            ..Default::default()
        };
        let json = serde_json::to_value(&change).unwrap();
        assert_eq!((&json["kind"], &json["role"]), (&json!("role"), &json!("admin")));
        assert_eq!(serde_json::from_value::<pb::Change>(json).unwrap(), change);

        let json = serde_json::to_value(pb::Change::default()).unwrap();
        assert_eq!((&json["kind"], json.get("role")), (&json!("unspecified"), None));
        for absent in [json!({}), json!({ "role": null })] {
            assert_eq!(
                serde_json::from_value::<pb::Change>(absent).unwrap(),
                pb::Change::default()
            );
        }
        assert!(serde_json::from_value::<pb::Change>(json!({ "role": "owner" })).is_err());
    }

    #[test]
    fn every_kind_of_change_has_its_word() {
        let words = ["unspecified", "created", "joined", "left", "removed", "role", "title"];
        for (kind, word) in words.into_iter().enumerate() {
            let change = serde_json::from_value::<pb::Change>(json!({ "kind": word })).unwrap();
            assert_eq!(change.kind, kind as i32, "{word}");
        }
        assert!(pb::ChangeKind::try_from(words.len() as i32).is_err(), "a kind has no word here");
    }

    #[test]
    fn another_word_is_refused_and_quoted() {
        for word in ["", "Direct", "DIRECT", "conversation_kind_direct", "channel", " direct"] {
            let json = json!({ "kind": word });
            let error = serde_json::from_value::<pb::CreateConversationRequest>(json).unwrap_err();
            assert_eq!(error.to_string(), format!("unknown value {word:?}"));
        }
    }

    #[test]
    fn an_unknown_number_is_written_as_unspecified() {
        let request = pb::PutMemberRequest { role: 99 };
        assert_eq!(serde_json::to_value(request).unwrap(), json!({ "role": "unspecified" }));
    }

    #[test]
    fn absent_optional_fields_are_left_out_and_need_not_be_given() {
        let request = pb::UpdateConversationRequest::default();
        assert_eq!(serde_json::to_value(&request).unwrap(), json!({}));
        let given =
            serde_json::from_value::<pb::UpdateConversationRequest>(json!({ "title": null }));
        assert_eq!(given.unwrap(), request);
    }

    #[test]
    fn a_message_with_a_secret_prints_only_its_name() {
        let session = pb::Session { refresh_token: "s3cret".to_owned(), ..Default::default() };
        assert_eq!(format!("{session:?}"), "Session { .. }");
        let request =
            pb::CreateAccountRequest { password: "s3cret".to_owned(), ..Default::default() };
        assert_eq!(format!("{request:?}"), "CreateAccountRequest { .. }");
    }

    proptest! {
        #[test]
        fn every_body_reads_back(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let request = pb::SendRequest { body: body.into(), ..Default::default() };
            let json = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<pb::SendRequest>(&json).unwrap(), request);
        }

        #[test]
        fn every_id_reads_back(uuid in strategies::uuid()) {
            let id = UserId::from(uuid);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(UserId::from_slice(Uuid::as_bytes(&uuid)), Ok(id));
        }
    }
}
