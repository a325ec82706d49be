//! What the README says to do, done.

use std::process::Command;

use nudge_harness::ServerCommand;

use crate::program::NUDGE;

const README: &str = include_str!("../../README.md");

#[tokio::test]
async fn the_page_of_curl_commands_works_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerCommand::new(NUDGE, folder.path().join("data")).start().await.unwrap();
    let page = section("## The API by curl");
    let script = page.replace("http://127.0.0.1:7480", &server.ready().url);
    assert_ne!(script, page, "the page names no server");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (said, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(!said.contains("\"code\""), "something was refused: {said}");
    for expected in [
        "\"handle\":\"ada\"",
        // Hello Bob
        "SGVsbG8gQm9i",
        "HTTP/1.1 200 OK",
        "content-disposition: inline; filename=\"holiday.jpg\"",
        "the same, byte for byte",
    ] {
        assert!(said.contains(expected), "{expected} is missing in {said}");
    }
    let copy = std::fs::read(folder.path().join("copy.jpg")).unwrap();
    assert_eq!(copy, std::fs::read(folder.path().join("holiday.jpg")).unwrap());
}

#[test]
fn its_configuration_file_is_one_that_serve_takes() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("nudge.toml");
    let (_, text) = README.split_once("```toml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    std::fs::write(&config, text).unwrap();
    // It has all that it needs but the certificate of somebody else's machine.
    let output = Command::new(NUDGE).args(["serve", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("nudge: cannot read /etc/letsencrypt/live/"), "{said}");
}

/// The commands of a section.
fn section(title: &str) -> String {
    let (_, section) = README.split_once(&format!("{title}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let commands: Vec<_> = blocks.map(|block| block.split_once("```").unwrap().0).collect();
    assert!(!commands.is_empty(), "{title} has no commands");
    commands.concat()
}
