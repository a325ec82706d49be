//! Media over HTTP are the same in a bucket.

use std::{env, process::Command};

use crate::support::OBJECTS_VARIABLE;

/// What moves media.
const MEDIA: [&str; 3] = ["clients::", "downloads::", "uploads::"];

/// What is of the store by itself.
const STORE: &str = "store::";

/// What looks into the folder.
const OF_THE_FOLDER: [&str; 5] = [
    "downloads::broken::",
    "downloads::conformance::",
    "a_terminated_upload_is_gone_and_leaves_no_bytes",
    "p5_bytes_that_were_refused_take_no_room",
    "p6_of_two_requests_the_newer_fences_the_older",
];

/// This very binary's tests once more, with every medium in a bucket.
#[test]
fn media_over_http_are_the_same_in_a_bucket() {
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.args(MEDIA).env(OBJECTS_VARIABLE, "s3").env("RUST_BACKTRACE", "0");
    for other in OF_THE_FOLDER.iter().chain([&STORE]) {
        tests.args(["--skip", other]);
    }
    let run = tests.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains("running 0 tests"), "{said}");
}
