//! The connect ticket: what is taken, and that nothing else is.

use nudge_proto::{
    CloseCode, DeviceId, UserId,
    ticket::{TICKET_BYTES, TicketClaims, TicketError, TicketKey, verify},
};
use proptest::prelude::*;
use uuid::Uuid;

const KEY: TicketKey = TicketKey { id: 7, secret: [0x5a; 32] };
const OTHER_KEY: TicketKey = TicketKey { id: 8, secret: [0xa5; 32] };

fn claims() -> TicketClaims {
    TicketClaims {
        user_id: UserId::from(Uuid::from_u128(1)),
        device_id: DeviceId::from(Uuid::from_u128(2)),
        issued_at_s: 1_000,
        expires_at_s: 2_000,
    }
}

#[test]
fn a_ticket_says_what_it_was_made_for_until_it_expires() {
    let ticket = KEY.mint(&claims());
    assert_eq!(ticket.len(), TICKET_BYTES);
    for now_s in [0, 1_000, 1_999] {
        assert_eq!(verify(&[KEY], &ticket, now_s), Ok(claims()));
    }
    for now_s in [2_000, 2_001, u64::MAX] {
        assert_eq!(verify(&[KEY], &ticket, now_s), Err(TicketError::Expired));
    }
}

#[test]
fn the_bytes_of_a_ticket_are_pinned() {
    let ticket = KEY.mint(&claims());
    let claims = "01\
        00000007\
        00000000000000000000000000000001\
        00000000000000000000000000000002\
        00000000000003e8\
        00000000000007d0";
    let (said, mac) = ticket.split_at(53);
    assert_eq!(hex::encode(said), claims);
    assert_eq!(blake3::keyed_hash(&KEY.secret, said).as_bytes(), mac);
}

#[test]
fn keys_rotate_with_overlap() {
    let old = KEY.mint(&claims());
    let new = OTHER_KEY.mint(&claims());
    for keys in [[KEY, OTHER_KEY], [OTHER_KEY, KEY]] {
        assert_eq!(verify(&keys, &old, 1_500), Ok(claims()));
        assert_eq!(verify(&keys, &new, 1_500), Ok(claims()));
    }
    assert_eq!(verify(&[OTHER_KEY], &old, 1_500), Err(TicketError::Bad));
    assert_eq!(verify(&[], &old, 1_500), Err(TicketError::Bad));
}

#[test]
fn a_ticket_of_another_secret_under_a_known_id_is_forged() {
    let forger = TicketKey { id: KEY.id, secret: [0; 32] };
    let ticket = forger.mint(&claims());
    assert_eq!(verify(&[KEY], &ticket, 1_500), Err(TicketError::Bad));
    // Nor does it tell that it would have expired.
    assert_eq!(verify(&[KEY], &ticket, 2_500), Err(TicketError::Bad));
}

#[test]
fn a_ticket_that_differs_in_any_bit_is_forged() {
    let genuine = KEY.mint(&claims());
    for at in 0..TICKET_BYTES {
        for bit in 0..8 {
            let mut ticket = genuine.clone();
            ticket[at] ^= 1 << bit;
            for now_s in [1_500, 2_500] {
                let error = verify(&[KEY, OTHER_KEY], &ticket, now_s);
                assert_eq!(error, Err(TicketError::Bad), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_ticket_of_any_other_length_is_malformed() {
    let genuine = KEY.mint(&claims());
    for length in 0..TICKET_BYTES {
        assert_eq!(verify(&[KEY], &genuine[..length], 1_500), Err(TicketError::Bad));
    }
    let longer = [&genuine[..], &[0]].concat();
    assert_eq!(verify(&[KEY], &longer, 1_500), Err(TicketError::Bad));
}

#[test]
fn both_refusals_have_their_close_code() {
    assert_eq!(TicketError::Bad.code(), CloseCode::BadTicket);
    assert_eq!(TicketError::Expired.code(), CloseCode::TicketExpired);
}

#[test]
fn printing_a_key_leaves_its_secret_out() {
    assert_eq!(format!("{KEY:?}"), "TicketKey { id: 7, .. }");
}

proptest! {
    #[test]
    fn bytes_from_nowhere_are_no_ticket(mut bytes in prop::collection::vec(any::<u8>(), TICKET_BYTES)) {
        bytes[..5].copy_from_slice(&[1, 0, 0, 0, 7]);
        prop_assert_eq!(verify(&[KEY], &bytes, 0), Err(TicketError::Bad));
    }

    #[test]
    fn every_claim_comes_back(
        user in any::<u128>(),
        device in any::<u128>(),
        issued_at_s in any::<u64>(),
        expires_at_s in 1..=u64::MAX,
        secret in any::<[u8; 32]>(),
        id in any::<u32>(),
    ) {
        let claims = TicketClaims {
            user_id: UserId::from(Uuid::from_u128(user)),
            device_id: DeviceId::from(Uuid::from_u128(device)),
            issued_at_s,
            expires_at_s,
        };
        let key = TicketKey { id, secret };
        prop_assert_eq!(verify(std::slice::from_ref(&key), &key.mint(&claims), expires_at_s - 1), Ok(claims));
    }
}
