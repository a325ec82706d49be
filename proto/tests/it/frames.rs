//! Frames to bytes and back, and what is refused on the way.

use nudge_proto::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{
        ClientFrame, FrameDecoder, FrameError, GoAway, Hello, Notice, NoticeFlags, ServerFrame,
    },
    limits::{
        ADDRESS_BYTES_MAX, ERROR_TEXT_BYTES_MAX, HELLO_TEXT_BYTES_MAX, INBOX_SEQ_MAX,
        NOTICE_BYTES_MAX,
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{heap, strategies};

proptest! {
    #[test]
    fn every_client_frame_reads_back(frame in strategies::client_frame()) {
        let bytes = frame.to_bytes();
        prop_assert!(bytes.len() <= ClientFrame::BYTES_MAX);
        prop_assert_eq!(ClientFrame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn every_server_frame_reads_back(frame in strategies::server_frame()) {
        let bytes = frame.to_bytes();
        prop_assert!(bytes.len() <= ServerFrame::BYTES_MAX);
        prop_assert_eq!(ServerFrame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn every_notice_keeps_to_its_limit(notice in strategies::notice()) {
        let mut bytes = Vec::new();
        ServerFrame::Notice(notice).encode(&mut bytes);
        prop_assert!(bytes.len() <= NOTICE_BYTES_MAX, "{} bytes", bytes.len());
    }

    #[test]
    fn a_stream_read_in_any_pieces_gives_the_same_frames(
        frames in vec(strategies::client_frame(), 0..6),
        cuts in vec(any::<Index>(), 0..24),
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.encode(&mut bytes);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut decoder = FrameDecoder::default();
        let mut read = Vec::new();
        let (mut from, mut whole) = (0, 0);
        for to in cuts.into_iter().chain([bytes.len()]) {
            let mut piece = &bytes[from..to];
            while let Some(frame) = decoder.next_frame(&mut piece, ClientFrame::BYTES_MAX).unwrap() {
                whole += 2 + frame.len();
                read.push(ClientFrame::decode(&frame).unwrap());
            }
            prop_assert!(piece.is_empty(), "what is no whole frame is stored");
            prop_assert_eq!(decoder.is_at_boundary(), whole == to);
            from = to;
        }
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in vec(any::<u8>(), 0..5000)) {
        if let Ok(frame) = ClientFrame::decode(&bytes) {
            prop_assert_eq!(ClientFrame::decode(&frame.to_bytes()), Ok(frame));
        }
        if let Ok(frame) = ServerFrame::decode(&bytes) {
            prop_assert_eq!(ServerFrame::decode(&frame.to_bytes()), Ok(frame));
        }
    }

    #[test]
    fn a_frame_cut_short_or_changed_is_a_frame_or_an_error(
        frame in strategies::client_frame(),
        cut in any::<Index>(),
        changed in any::<(Index, u8)>(),
    ) {
        let mut bytes = frame.to_bytes();
        let (at, value) = changed;
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(frame) = ClientFrame::decode(&bytes) {
            prop_assert_eq!(ClientFrame::decode(&frame.to_bytes()), Ok(frame));
        }
    }
}

mod the_decoder {
    use super::*;

    #[test]
    fn holds_nothing_between_frames() {
        let mut wire = Vec::new();
        ClientFrame::Ping.encode(&mut wire);
        let mut decoder = FrameDecoder::default();
        assert!(decoder.is_at_boundary());
        for _ in 0..3 {
            let mut input = &wire[..];
            let frame = decoder.next_frame(&mut input, ClientFrame::BYTES_MAX).unwrap();
            assert_eq!(frame, Some(ClientFrame::Ping.to_bytes()));
            assert!(decoder.is_at_boundary());
        }
        assert_eq!(size_of::<FrameDecoder>(), size_of::<Vec<u8>>());
    }

    #[test]
    fn takes_an_empty_frame_as_one() {
        let mut input = &[0, 0, 0, 0][..];
        let mut decoder = FrameDecoder::default();
        assert_eq!(decoder.next_frame(&mut input, 10), Ok(Some(Vec::new())));
        assert_eq!(decoder.next_frame(&mut input, 10), Ok(Some(Vec::new())));
        assert_eq!(decoder.next_frame(&mut input, 10), Ok(None));
        assert!(ClientFrame::decode(&[]).is_err(), "which is no client frame");
    }

    #[test]
    fn takes_the_longest_frame_and_refuses_one_byte_more() {
        for limit in [ClientFrame::BYTES_MAX, ServerFrame::BYTES_MAX] {
            let longest = [&(limit as u16).to_be_bytes()[..], &vec![7; limit]].concat();
            let frame = FrameDecoder::default().next_frame(&mut &longest[..], limit);
            assert_eq!(frame, Ok(Some(vec![7; limit])));

            let prefix = (limit as u16 + 1).to_be_bytes();
            let error = FrameDecoder::default().next_frame(&mut &prefix[..], limit).unwrap_err();
            assert_eq!(error, FrameError::TooLarge { length: limit + 1, limit });
            assert_eq!(error.code(), CloseCode::FrameTooLarge);
            assert_eq!(
                error.to_string(),
                format!("a frame of {} bytes, above the limit of {limit}", limit + 1)
            );
        }
    }

    #[test]
    fn refuses_an_oversized_frame_without_room_for_it() {
        let endless = [&[0xff, 0xff][..], &[0; 65_535]].concat();
        let mut decoder = FrameDecoder::default();
        let mut input = &endless[..];
        let (result, highest) =
            heap::highest_during(|| decoder.next_frame(&mut input, ClientFrame::BYTES_MAX));
        assert!(matches!(result, Err(FrameError::TooLarge { length: 65_535, limit: 4096 })));
        assert!(highest <= 16, "{highest} bytes were allocated");
        assert_eq!(input.len(), 65_535, "nothing of the frame was taken");
        // Nor is there a way around it by asking again.
        assert!(decoder.next_frame(&mut input, ClientFrame::BYTES_MAX).is_err());
    }

    #[test]
    fn makes_room_only_for_bytes_that_came() {
        let mut decoder = FrameDecoder::default();
        let (frame, highest) = heap::highest_during(|| {
            decoder.next_frame(&mut &[0x10, 0x00, 1, 2, 3][..], ClientFrame::BYTES_MAX)
        });
        assert_eq!(frame, Ok(None));
        assert!(highest <= 16, "{highest} bytes were allocated for five");
        assert!(!decoder.is_at_boundary());
    }

    #[test]
    fn keeps_no_more_than_the_longest_frame_whatever_is_fed() {
        let mut wire = Vec::new();
        for _ in 0..50 {
            wire.extend_from_slice(&[0x10, 0x00]);
            wire.extend_from_slice(&[0; 4096]);
        }
        let ((), highest) = heap::highest_during(|| {
            let mut decoder = FrameDecoder::default();
            for mut piece in wire.chunks(100) {
                while decoder.next_frame(&mut piece, ClientFrame::BYTES_MAX).unwrap().is_some() {}
            }
        });
        // Growing doubles, and moves while both are there.
        assert!(highest <= 4 * (2 + ClientFrame::BYTES_MAX), "{highest} bytes were held");
    }
}

mod a_frame_is_refused {
    use super::*;

    #[test]
    fn when_it_is_longer_than_its_direction_allows() {
        let bytes = vec![0; ClientFrame::BYTES_MAX + 1];
        assert_eq!(ClientFrame::decode(&bytes), too_large(4097, 4096));
        let bytes = vec![0; ServerFrame::BYTES_MAX + 1];
        assert_eq!(ServerFrame::decode(&bytes), too_large(1025, 1024));
    }

    #[test]
    fn when_it_is_of_no_known_kind() {
        // Nothing at all, and a field 15 of a later version.
        for bytes in [&[][..], &[0x7a, 0x00]] {
            let error = ClientFrame::decode(bytes).unwrap_err();
            assert_eq!(error.to_string(), "not a frame: a known frame is missing");
            assert_eq!(error.code(), CloseCode::ProtocolViolation);
            assert!(ServerFrame::decode(bytes).is_err());
        }
    }

    #[test]
    fn when_it_is_no_protobuf() {
        for bytes in ["ff", "1a", "1a05", "1aff", "0a020a05", "00", "0b", "12020800"] {
            let bytes = hex::decode(bytes).unwrap();
            let error = ClientFrame::decode(&bytes).unwrap_err();
            assert_eq!(error.code(), CloseCode::ProtocolViolation, "{bytes:02x?}");
        }
    }

    #[test]
    fn when_an_ack_has_no_cursor() {
        let error = ClientFrame::decode(&[0x12, 0x00]).unwrap_err();
        assert_eq!(error.to_string(), "not a frame: the ack's cursor is missing");
    }

    #[test]
    fn when_a_number_is_out_of_range() {
        let seq = InboxSeq(INBOX_SEQ_MAX + 1);
        let cursor = Cursor { epoch: Epoch(1), seq };
        assert!(ClientFrame::decode(&ClientFrame::Ack(cursor).to_bytes()).is_err());
        let hello = Hello { cursor: Some(cursor), ..hello() };
        assert!(ClientFrame::decode(&ClientFrame::Hello(hello).to_bytes()).is_err());
        let pong = ServerFrame::Pong { head: Some(seq) };
        assert!(ServerFrame::decode(&pong.to_bytes()).is_err());
    }

    #[test]
    fn when_an_id_has_another_length() {
        // A notice with a message id of 15 bytes, a typing with an empty user, a welcome without id.
        for bytes in [
            "12130801120f000000000000000000000000000000",
            "1a120a1000000000000000000000000000000000",
            "0a021001",
        ] {
            let error = ServerFrame::decode(&hex::decode(bytes).unwrap()).unwrap_err();
            assert!(error.to_string().contains("must be a UUID"), "{error}");
        }
    }

    #[test]
    fn when_a_text_of_a_hello_is_over_its_limit() {
        let mut bytes = ClientFrame::Hello(hello()).to_bytes();
        // A client name (field 5) of 65 bytes, put in by hand: encoding would cut it.
        bytes.extend_from_slice(&[0x2a, 65]);
        bytes.extend_from_slice(&[b'x'; 65]);
        bytes[1] += 67;
        let error = ClientFrame::decode(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a frame: a text of 65 bytes in hello, above the limit of 64"
        );
    }

    fn too_large<T>(length: usize, limit: usize) -> Result<T, FrameError> {
        Err(FrameError::TooLarge { length, limit })
    }
}

mod writing {
    use super::*;

    #[test]
    fn cuts_texts_at_a_character_within_their_limit() {
        let long = "é".repeat(200);
        let sent = ClientFrame::Hello(Hello { client_name: format!("x{long}"), ..hello() });
        let ClientFrame::Hello(read) = ClientFrame::decode(&sent.to_bytes()).unwrap() else {
            panic!("a hello became something else");
        };
        assert_eq!(read.client_name, format!("x{}", "é".repeat(31)));
        assert_eq!(read.client_name.len(), HELLO_TEXT_BYTES_MAX - 1);

        let sent = ServerFrame::Error { code: CloseCode::Overloaded, text: long };
        let ServerFrame::Error { text, .. } = ServerFrame::decode(&sent.to_bytes()).unwrap() else {
            panic!("an error became something else");
        };
        assert_eq!(text.len(), ERROR_TEXT_BYTES_MAX);
    }

    #[test]
    fn leaves_out_an_address_that_does_not_fit() {
        let longest = format!("{}:65535", "a".repeat(253));
        assert_eq!(longest.len(), ADDRESS_BYTES_MAX);
        for (address, sent) in [(longest.clone(), Some(longest.clone())), (longest + "0", None)] {
            let go_away = GoAway {
                code: CloseCode::Draining,
                reconnect_min_ms: 0,
                reconnect_max_ms: 0,
                address: Some(address),
                deadline_ms: 0,
            };
            let bytes = ServerFrame::GoAway(go_away).to_bytes();
            let ServerFrame::GoAway(read) = ServerFrame::decode(&bytes).unwrap() else {
                panic!("a go_away became something else");
            };
            assert_eq!(read.address, sent);
        }
    }

    #[test]
    fn a_hello_over_the_limit_announces_itself_as_too_large() {
        for length in [5_000, 65_535, 65_536, 65_540, 200_000] {
            let endless = ClientFrame::Hello(Hello { ticket: vec![0; length].into(), ..hello() });
            let mut bytes = Vec::new();
            endless.encode(&mut bytes);
            let refused =
                FrameDecoder::default().next_frame(&mut &bytes[..], ClientFrame::BYTES_MAX);
            assert!(matches!(refused, Err(FrameError::TooLarge { .. })), "{length}: {refused:?}");
        }
    }
}

mod notices {
    use super::*;

    proptest! {
        #[test]
        fn merge_to_the_highest_head_and_all_flags_in_any_order(
            (notices, shuffled) in vec(strategies::notice(), 1..6)
                .prop_flat_map(|notices| (Just(notices.clone()), Just(notices).prop_shuffle())),
        ) {
            let merged = merge(&notices);
            let again = merge(&shuffled);
            prop_assert_eq!((merged.head, merged.flags), (again.head, again.flags));
            prop_assert_eq!(Some(merged.head), notices.iter().map(|notice| notice.head).max());
            prop_assert!(notices.iter().all(|notice| merged.flags.contains(notice.flags)));
            let named = notices.iter().any(|notice| notice.message_id.is_some());
            prop_assert_eq!(merged.message_id.is_some(), named);
        }

        #[test]
        fn merging_names_the_message_of_the_highest_head_if_it_has_one(
            mut notices in vec(strategies::notice(), 1..6),
        ) {
            notices.sort_by_key(|notice| notice.head);
            notices.dedup_by_key(|notice| notice.head);
            let newest = notices.last().and_then(|notice| notice.message_id);
            if newest.is_some() {
                prop_assert_eq!(merge(&notices).message_id, newest);
                notices.reverse();
                prop_assert_eq!(merge(&notices).message_id, newest);
            }
        }

        #[test]
        fn merging_a_notice_twice_changes_nothing(
            one in strategies::notice(),
            other in strategies::notice(),
        ) {
            let once = merge(&[one, other]);
            prop_assert_eq!(merge(&[one, other, other]), once);
        }
    }

    #[test]
    fn flags_are_a_bit_set_within_one_byte_of_varint() {
        let both = NoticeFlags::MESSAGE.union(NoticeFlags::CHANGE);
        assert_eq!(both.bits(), 5);
        assert!(both.contains(NoticeFlags::MESSAGE) && both.contains(NoticeFlags::NONE));
        assert!(!both.contains(NoticeFlags::RECEIPT));
        assert_eq!(NoticeFlags::from_bits(u32::MAX).bits(), 0x7f);
    }

    fn merge(notices: &[Notice]) -> Notice {
        let mut merged = Notice::default();
        for notice in notices {
            merged.merge(*notice);
        }
        merged
    }
}

#[test]
fn printing_a_hello_leaves_the_ticket_out() {
    let printed = format!("{:?}", ClientFrame::Hello(Hello { ticket: "s3cret".into(), ..hello() }));
    assert!(printed.starts_with("Hello(Hello { cursor: None"), "{printed}");
    assert!(!printed.contains("s3cret"), "{printed}");
}

fn hello() -> Hello {
    Hello {
        ticket: "ticket".into(),
        cursor: None,
        instance: 1,
        attempt: 1,
        client_name: String::new(),
        client_version: String::new(),
        heartbeat_s: 0,
        network_hint: String::new(),
    }
}
