//! `nudge demo`, as a program sees it.

use std::{fs, path::Path};

use nudge_harness::ServerCommand;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::program::{NUDGE, json, nudge, text};

const MIB: usize = 1024 * 1024;

#[test]
fn without_a_file_the_demo_sends_its_own_executable_and_cuts_it_midway() {
    let output = nudge(["demo", "--json"]).output().unwrap();
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    check_delivery(&report, Path::new(NUDGE));
    check_cut(&report);
}

#[test]
fn files_of_every_size_arrive_as_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1, 1000, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 9 * MIB] {
        let file = folder.path().join(format!("{size}.bin"));
        fs::write(&file, noise(size)).unwrap();
        let report = demo(&file);
        check_delivery(&report, &file);
        if size >= 8 * MIB {
            check_cut(&report);
        } else if size < MIB {
            assert_eq!(report["media"]["cut_at"], Value::Null);
            assert_eq!(report["media"]["bytes_fetched_twice"], 0);
        }
    }
}

#[test]
fn a_name_with_spaces_and_letters_of_all_kinds_is_the_recipients_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my holiday ünïcode 写真 (1).txt");
    fs::write(&file, "sunny").unwrap();
    let kept = folder.path().join("kept");
    let output = nudge(["demo", text(&file), "--keep", text(&kept)]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("BROKEN"), "{printed}");
    assert!(printed.contains("byte for byte"), "{printed}");
    let arrived = kept.join("bob").join("my holiday ünïcode 写真 (1).txt");
    assert_eq!(fs::read_to_string(arrived).unwrap(), "sunny");
}

#[tokio::test]
async fn on_a_server_that_runs_already_the_demo_leaves_no_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerCommand::new(NUDGE, folder.path()).start().await.unwrap();
    let url = server.ready().url.clone();
    let file = folder.path().join("note.txt");
    fs::write(&file, "on two ways to one server").unwrap();
    for servers in [vec!["--server", &url], vec!["--server", &url, "--server", &url]] {
        let arguments = ["demo", "--json", text(&file)].into_iter().chain(servers);
        let output = nudge(arguments).output().unwrap();
        let report = json(&output);
        assert!(output.status.success(), "{report:#}");
        check_delivery(&report, &file);
        let last = report["timeline"].as_array().unwrap().last().unwrap();
        assert_eq!(last["step"], "both accounts are deleted");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_in_one_line() {
    let output = nudge(["demo", "no/such/file"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("nudge: cannot read no/such/file: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_folder_that_is_in_use_is_not_kept_over() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "data").unwrap();
    let output = nudge(["demo", "--keep", text(folder.path())]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn demo(file: &Path) -> Value {
    let output = nudge(["demo", "--json", text(file)]).output().unwrap();
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    report
}

fn check_delivery(report: &Value, file: &Path) {
    let bytes = fs::read(file).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["text"]["delivered"], true, "{report:#}");
    let notice_bytes_max = report["notice_bytes_max"].as_u64().unwrap();
    assert!((3..=32).contains(&notice_bytes_max), "{report:#}");
    let media = &report["media"];
    assert_eq!(media["bytes"], bytes.len(), "{report:#}");
    assert_eq!(media["sha256"], hex::encode(Sha256::digest(&bytes)), "{report:#}");
    assert_eq!(media["verified"], true, "{report:#}");
    let timeline = report["timeline"].as_array().unwrap();
    assert!(timeline.len() >= 10, "{report:#}");
    let times: Vec<_> = timeline.iter().map(|step| step["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{report:#}");
}

fn check_cut(report: &Value) {
    let media = &report["media"];
    let number = |name: &str| media[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert!(number("cut_at") >= number("bytes") / 2, "{report:#}");
    assert!(number("cut_at") < number("bytes"), "{report:#}");
    assert!((1..=number("cut_at")).contains(&number("resumed_from")), "{report:#}");
    assert!(number("bytes_fetched_twice") <= 8 * MIB as u64, "{report:#}");
}

fn noise(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(size as u64);
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}
