//! The service over HTTP is the same on Postgres.

use std::{env, process::Command};

use crate::support::STORE_VARIABLE;

/// What is of a store, a bus or a place for objects by itself, or of SQLite's file.
const OTHERS: [&str; 7] =
    ["store::", "postgres::", "buses::", "objects::", "remote::", "durability::", "database::"];

/// What lets stopped time pass: a real server cannot keep up with it.
const IN_STOPPED_TIME: [&str; 9] = [
    "p4_with_every_bus_message_dropped_the_head_is_told_within_a_heartbeat",
    "p4_a_device_that_registers_late_hides_no_move_from_the_others",
    "p4_a_gap_of_the_bus_is_made_up_for_at_once",
    "p8_without_the_bus_a_revocation_is_told_within_a_heartbeat",
    "a_body_that_stops_halfway_is_a_bad_request_and_one_that_waits_times_out",
    "p5_what_does_not_get_on_is_let_go",
    "what_is_past_its_time_goes_with_its_bytes",
    "until_acked_keeps_no_longer_than_the_devices_need",
    "keys_rotate_with_overlap_and_are_pushed_down_the_watch",
];

/// This very binary's tests once more, with every service on Postgres.
#[test]
fn everything_over_http_holds_on_postgres_too() {
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.env(STORE_VARIABLE, "postgres").env("RUST_BACKTRACE", "0");
    for other in OTHERS.iter().chain(&IN_STOPPED_TIME) {
        tests.args(["--skip", other]);
    }
    let run = tests.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains("running 0 tests"), "{said}");
}
