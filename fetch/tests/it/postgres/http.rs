//! The service over HTTP is the same on Postgres.

use std::{env, process::Command};

use crate::support::STORE_VARIABLE;

/// What is of a store by itself, or of SQLite's file.
const OTHERS: [&str; 3] = ["store::", "postgres::", "durability::"];

/// This very binary's tests once more, with every service on Postgres.
#[test]
fn everything_over_http_holds_on_postgres_too() {
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.env(STORE_VARIABLE, "postgres");
    for other in OTHERS {
        tests.args(["--skip", other]);
    }
    let run = tests.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains("running 0 tests"), "{said}");
}
