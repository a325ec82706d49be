//! Every store, held to what every store must do.

mod postgres;
mod sqlite;

use std::{fs, path::Path};

#[test]
fn every_check_of_the_suite_is_run() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/conformance.rs");
    let list = fs::read_to_string(&suite).unwrap();
    let mut checks = 0;
    for room in fs::read_dir(suite.with_extension("")).unwrap() {
        let room = room.unwrap().path();
        if room.extension().is_none_or(|extension| extension != "rs") || room.ends_with("world.rs")
        {
            continue;
        }
        for line in fs::read_to_string(&room).unwrap().lines() {
            let Some(check) = line.strip_prefix("pub async fn ") else { continue };
            let check = check.split('(').next().unwrap();
            assert!(list.contains(&format!(" {check},\n")), "{check} in {room:?} is not run");
            checks += 1;
        }
    }
    assert!(checks > 100, "{checks} checks were found");
}
