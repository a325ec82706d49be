//! The two closed lists of what can go wrong, pinned: apps and operators depend on each line.

use std::collections::BTreeSet;

use nudge_proto::{CloseCode, ErrorCode, error_code::Retry};

/// Code, HTTP status, retry.
const ERROR_CODES: [(&str, u16, Retry); 34] = {
    use Retry::{AfterBackoff, AfterRefresh, Useless};
    [
        ("access_token_expired", 401, AfterRefresh),
        ("access_token_invalid", 401, AfterRefresh),
        ("checksum_mismatch", 460, AfterBackoff),
        ("content_type_unsupported", 415, Useless),
        ("conversation_full", 409, Useless),
        ("credentials_invalid", 401, Useless),
        ("cursor_ahead", 409, Useless),
        ("device_revoked", 401, Useless),
        ("epoch_mismatch", 409, Useless),
        ("forbidden", 403, Useless),
        ("handle_taken", 409, Useless),
        ("idempotency_conflict", 409, Useless),
        ("internal", 500, AfterBackoff),
        ("invalid_request", 400, Useless),
        ("invite_invalid", 403, Useless),
        ("limit_reached", 409, Useless),
        ("method_not_allowed", 405, Useless),
        ("not_acceptable", 406, Useless),
        ("not_found", 404, Useless),
        ("offset_mismatch", 409, Useless),
        ("precondition_failed", 412, Useless),
        ("quota_exceeded", 413, Useless),
        ("range_not_satisfiable", 416, Useless),
        ("rate_limited", 429, AfterBackoff),
        ("refresh_token_invalid", 401, Useless),
        ("refresh_token_reused", 401, Useless),
        ("registration_closed", 403, Useless),
        ("request_timeout", 408, AfterBackoff),
        ("request_too_large", 413, Useless),
        ("storage_full", 507, AfterBackoff),
        ("unavailable", 503, AfterBackoff),
        ("upload_expired", 410, Useless),
        ("upload_taken_over", 409, Useless),
        ("upload_version_unsupported", 412, Useless),
    ]
};

#[test]
fn the_list_of_error_codes_is_closed() {
    let listed =
        ErrorCode::ALL.iter().map(|code| (code.as_str(), code.http_status(), code.retry()));
    assert_eq!(listed.collect::<Vec<_>>(), ERROR_CODES);
}

#[test]
fn error_codes_are_in_order_and_read_back() {
    assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.as_str()));
    for code in ErrorCode::ALL {
        assert_eq!(code.as_str().parse(), Ok(*code));
        assert_eq!(code.to_string(), code.as_str());
        assert!((400..600).contains(&code.http_status()), "{code} has no failure's status");
    }
}

#[test]
fn an_unknown_error_code_is_an_error_that_quotes_it_in_short() {
    for unknown in ["", "not_found ", "NOT_FOUND", "teapot"] {
        let error = unknown.parse::<ErrorCode>().unwrap_err();
        assert_eq!(error.to_string(), format!("unknown error code {unknown:?}"));
    }
    let error = "x".repeat(100_000).parse::<ErrorCode>().unwrap_err();
    assert!(error.to_string().len() < 100);
}

#[test]
fn a_retry_is_safe_exactly_when_waiting_or_refreshing_helps() {
    for code in ErrorCode::ALL {
        assert_eq!(code.is_retry_safe(), code.retry() != Retry::Useless, "{code}");
    }
}

#[test]
fn a_status_without_a_known_code_still_says_whether_a_retry_helps() {
    for code in ErrorCode::ALL {
        let guess = ErrorCode::of_status(code.http_status());
        // A conflict is one of many, and none of them goes away by itself.
        let expected = if code.http_status() == 409 { 400 } else { code.http_status() };
        assert_eq!(guess.http_status(), expected, "{code}");
        if code.http_status() != 401 {
            assert_eq!(guess.retry(), code.retry(), "{code}");
        }
    }
    // Whoever is not let in tries with a refreshed session first.
    assert_eq!(ErrorCode::of_status(401).retry(), Retry::AfterRefresh);
    for status in [500, 501, 502, 504, 599] {
        assert_eq!(ErrorCode::of_status(status).retry(), Retry::AfterBackoff, "{status}");
    }
    for status in [402, 418, 422, 451] {
        assert_eq!(ErrorCode::of_status(status).retry(), Retry::Useless, "{status}");
    }
}

/// Number, name, terminal.
const CLOSE_CODES: [(u32, &str, bool); 18] = [
    (0, "CLOSE_CODE_UNSPECIFIED", false),
    (3000, "CLOSE_CODE_DRAINING", false),
    (3001, "CLOSE_CODE_OVERLOADED", false),
    (3002, "CLOSE_CODE_IDLE_TIMEOUT", false),
    (3003, "CLOSE_CODE_WRITE_TIMEOUT", false),
    (3004, "CLOSE_CODE_SUPERSEDED", false),
    (3005, "CLOSE_CODE_UNAVAILABLE", false),
    (3006, "CLOSE_CODE_EPOCH_CHANGED", false),
    (3007, "CLOSE_CODE_HELLO_TIMEOUT", false),
    (3008, "CLOSE_CODE_TOO_MANY_CONNECTIONS", false),
    (3009, "CLOSE_CODE_CUT_SHORT", false),
    (3010, "CLOSE_CODE_KICKED", false),
    (3500, "CLOSE_CODE_BAD_TICKET", true),
    (3501, "CLOSE_CODE_TICKET_EXPIRED", true),
    (3502, "CLOSE_CODE_REVOKED", true),
    (3503, "CLOSE_CODE_REPLACED", true),
    (3504, "CLOSE_CODE_PROTOCOL_VIOLATION", true),
    (3505, "CLOSE_CODE_FRAME_TOO_LARGE", true),
];

#[test]
fn the_list_of_close_codes_is_closed() {
    let known = (0..10_000).filter_map(|number| CloseCode::try_from(number).ok());
    let listed = known.map(|code| (code.to_wire(), code.as_str_name(), code.is_terminal()));
    assert_eq!(listed.collect::<Vec<_>>(), CLOSE_CODES);
}

#[test]
fn close_codes_read_back_from_the_wire() {
    for (number, ..) in CLOSE_CODES {
        assert_eq!(CloseCode::from_wire(number).to_wire(), number);
    }
}

#[test]
fn an_unknown_close_code_keeps_the_meaning_of_its_range() {
    for (number, known) in [
        (1, CloseCode::Unavailable),
        (2999, CloseCode::Unavailable),
        (3499, CloseCode::Unavailable),
        (3600, CloseCode::ProtocolViolation),
        (3999, CloseCode::ProtocolViolation),
        (4000, CloseCode::Unavailable),
        (u32::MAX, CloseCode::Unavailable),
    ] {
        assert_eq!(CloseCode::from_wire(number), known, "{number}");
    }
}

#[test]
fn each_close_code_has_a_text_of_its_own_that_fits_its_frame() {
    let texts: BTreeSet<_> =
        CLOSE_CODES.iter().map(|(number, ..)| CloseCode::from_wire(*number).text()).collect();
    assert_eq!(texts.len(), CLOSE_CODES.len());
    assert!(texts.iter().all(|text| text.len() <= nudge_proto::limits::ERROR_TEXT_BYTES_MAX));
}
