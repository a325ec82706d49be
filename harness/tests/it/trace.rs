use nudge_harness::trace::{Broken, HowBroken, Promise, Step, Trace};

const ASKED: &str =
    r#"1 recvfrom(7<TCP:[a->b]>, "PUT /v1/m/1 HTTP/1.1", 8192, 0, NULL, NULL) = 20"#;
const WRITTEN: &str = r#"2 pwrite64(5</d/nudge.db-wal>, "..hello..", 4096, 24) = 4096"#;
const SYNCED: &str = r#"2 fdatasync(5</d/nudge.db-wal>) = 0"#;
const ANSWERED: &str =
    r#"1 sendto(7<TCP:[a->b]>, "HTTP/1.1 201 Created", 90, MSG_NOSIGNAL, NULL, 0) = 90"#;
const REFUSED: &str =
    r#"1 sendto(7<TCP:[a->b]>, "HTTP/1.1 503 Busy", 90, MSG_NOSIGNAL, NULL, 0) = 90"#;
const OTHER: &str = r#"1 sendto(8<TCP:[a->c]>, "HTTP/1.1 200 OK", 90, MSG_NOSIGNAL, NULL, 0) = 90"#;
const OTHER_FILE: &str = r#"2 fdatasync(6</d/other>) = 0"#;
const FAILED: &str = r#"2 fdatasync(5</d/nudge.db-wal>) = -1 EIO (Input/output error)"#;
const WAL: &str = "nudge.db-wal";

#[test]
fn p1_an_answer_after_write_and_sync_keeps_the_promise() {
    assert_eq!(check(&[ASKED, WRITTEN, OTHER, SYNCED, ANSWERED]), Ok(()));
    let early = [ASKED, SYNCED, WRITTEN, SYNCED, ANSWERED];
    assert_eq!(check(&early), Ok(()));
}

#[test]
fn p1_an_answer_without_a_sync_after_the_write_breaks_it() {
    let not_synced = Err(HowBroken::NotSynced { file: WAL.to_owned() });
    assert_eq!(check(&[ASKED, WRITTEN, ANSWERED, SYNCED]), not_synced);
    assert_eq!(check(&[ASKED, SYNCED, WRITTEN, ANSWERED]), not_synced);
    assert_eq!(check(&[ASKED, WRITTEN, OTHER_FILE, ANSWERED]), not_synced);
    assert_eq!(check(&[ASKED, WRITTEN, FAILED, ANSWERED]), not_synced);
    let overlapping = [
        ASKED,
        "3 fdatasync(5</d/nudge.db-wal> <unfinished ...>",
        WRITTEN,
        "3 <... fdatasync resumed>) = 0",
        ANSWERED,
    ];
    assert_eq!(check(&overlapping), not_synced);
    let too_late = [
        ASKED,
        WRITTEN,
        "3 fdatasync(5</d/nudge.db-wal> <unfinished ...>",
        ANSWERED,
        "3 <... fdatasync resumed>) = 0",
    ];
    assert_eq!(check(&too_late), not_synced);
}

#[test]
fn p1_an_answer_before_the_write_breaks_it() {
    let not_written = Err(HowBroken::NotWritten { file: WAL.to_owned() });
    assert_eq!(check(&[ASKED, SYNCED, ANSWERED, WRITTEN, SYNCED]), not_written);
    let other_content = WRITTEN.replace("hello", "world");
    assert_eq!(check(&[ASKED, &other_content, SYNCED, ANSWERED]), not_written);
}

#[test]
fn a_trace_without_the_request_or_its_success_says_nothing() {
    assert_eq!(check(&[WRITTEN, SYNCED, ANSWERED]), Err(HowBroken::NotAsked));
    assert_eq!(check(&[ASKED, WRITTEN, SYNCED]), Err(HowBroken::NotAnswered));
    assert_eq!(check(&[ASKED, WRITTEN, SYNCED, REFUSED, ANSWERED]), Err(HowBroken::NotAnswered));
}

#[test]
fn a_request_may_come_in_pieces() {
    let (begin, end) = (ASKED.replace("/m/1 HTTP/1.1", ""), ASKED.replace("PUT /v1", ""));
    assert_eq!(check(&[&begin, &end, WRITTEN, SYNCED, ANSWERED]), Ok(()));
    assert!(check(&[&begin, WRITTEN, SYNCED, &end, ANSWERED]).is_err());
}

#[test]
fn p1_steps_must_follow_each_other() {
    let step = |file: &str| Step { file: file.to_owned(), content: None };
    let promise =
        Promise { request: "PUT /v1/m/1".to_owned(), steps: vec![step("/uploads/"), step(WAL)] };
    let segment = r#"2 write(9</d/uploads/x/1>, "bytes", 5) = 5"#;
    let segment_synced = "2 fdatasync(9</d/uploads/x/1>) = 0";
    let kept = [ASKED, segment, segment_synced, WRITTEN, SYNCED, ANSWERED];
    assert_eq!(Trace::parse(&kept.join("\n")).check(&promise), Ok(()));
    let committed_first = [ASKED, segment, WRITTEN, SYNCED, segment_synced, ANSWERED];
    let Err(Broken { how, .. }) = Trace::parse(&committed_first.join("\n")).check(&promise) else {
        panic!("the offset was committed before its bytes were on disk")
    };
    assert_eq!(how, HowBroken::NotWritten { file: WAL.to_owned() });
}

fn check(lines: &[&str]) -> Result<(), HowBroken> {
    let promise = Promise {
        request: "PUT /v1/m/1".to_owned(),
        steps: vec![Step { file: WAL.to_owned(), content: Some("hello".to_owned()) }],
    };
    Trace::parse(&lines.join("\n")).check(&promise).map_err(|broken| broken.how)
}
