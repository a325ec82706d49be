//! Registering, logging in, and what is said when that does not work.

use std::process::Stdio;

use nudge_harness::ServerCommand;
use tokio::io::AsyncWriteExt;

use super::stage::{PASSWORD, Stage, said};
use crate::program::{NUDGE, nudge, text};

const NO_ID: &str = "01a210b4-9046-7363-a44a-cad94608e832";

#[tokio::test]
async fn a_password_comes_from_a_file_the_environment_or_standard_input() {
    let stage = Stage::with(&[]).await;
    let file = stage.file("password", format!("{PASSWORD}\n").as_bytes());
    let from_file = ["register", "ada", "--server", stage.url(), "--password-file", text(&file)];
    stage.told("ada", &from_file).await;

    let mut typed = stage.command("laptop", &["login", "ada", "--server", stage.url()]);
    let mut child = typed.env_remove("NUDGE_PASSWORD").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{PASSWORD}\nnot a part of it").as_bytes()).await.unwrap();
    drop(stdin);
    assert!(child.wait().await.unwrap().success());

    stage.told("phone", &["login", "ada", "--server", stage.url()]).await;
    let devices = stage.told("phone", &["devices"]).await;
    assert_eq!(devices.len(), 3, "{devices:?}");
}

#[tokio::test]
async fn what_does_not_work_is_said_in_one_line_with_what_to_do() {
    let stage = Stage::with(&["ada"]).await;
    let url = stage.url();
    for (profile, arguments, expected) in [
        ("none", &["listen"][..], "nudge login HANDLE"),
        ("other", &["register", "ada", "--server", url], "choose another handle"),
        ("ada", &["register", "bob"], "name another with --profile"),
        ("ada", &["send", "--to", "nobody", "text"], "nobody here is called nobody"),
        ("other", &["register", "A B", "--server", url], "handle"),
        ("other", &["login", "ada", "--server", "ftp://x"], "http:// or https://"),
        ("../ada", &["listen"], "--profile takes a name"),
        ("ada", &["send", "--to", "ada", "text"], "another user than yourself"),
        ("ada", &["send", "--group", NO_ID, "--file", "no/such/file"], "no/such/file"),
        ("ada", &["send", "--group", NO_ID, "text"], "not_found"),
        ("ada", &["download", NO_ID], "there is no file"),
        ("ada", &["conversations", "--server", "http://127.0.0.1:9"], "127.0.0.1:9"),
    ] {
        let said = stage.refused(profile, arguments).await;
        assert!(said.starts_with("nudge: ") && said.contains(expected), "{arguments:?}: {said}");
    }
    let wrong = stage.file("wrong", b"wrong horse");
    let wrong = ["login", "ada", "--server", url, "--password-file", text(&wrong)];
    let said = stage.refused("other", &wrong).await;
    assert!(said.contains("credentials_invalid") && !said.contains("wrong horse"), "{said}");
}

#[tokio::test]
async fn a_profile_that_logged_out_is_no_device_any_more_and_can_log_in_again() {
    let stage = Stage::with(&["ada"]).await;
    stage.told("phone", &["login", "ada", "--server", stage.url()]).await;
    stage.told("phone", &["logout"]).await;
    assert_eq!(stage.told("ada", &["devices"]).await.len(), 1);
    let said = stage.refused("phone", &["listen"]).await;
    assert!(said.contains("nobody is logged in"), "{said}");
    // The server is remembered.
    stage.told("phone", &["login", "ada"]).await;
    assert_eq!(stage.told("ada", &["devices"]).await.len(), 2);
}

#[tokio::test]
async fn a_revoked_listener_ends_and_says_why() {
    let stage = Stage::with(&["ada"]).await;
    stage.told("phone", &["login", "ada", "--server", stage.url()]).await;
    let devices = stage.told("phone", &["devices"]).await;
    let phone = devices.iter().find(|device| device["current"] == true).unwrap();
    let listening = stage.command("phone", &["listen"]).stderr(Stdio::piped()).spawn().unwrap();
    stage.told("ada", &["devices", "--revoke", phone["id"].as_str().unwrap()]).await;
    let output = listening.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output.stderr).contains("log in"), "{}", said(&output.stderr));
    stage.told("phone", &["login", "ada"]).await;
    stage.told("phone", &["conversations"]).await;
}

#[tokio::test]
async fn a_self_signed_server_is_trusted_by_its_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let command = ServerCommand::new(NUDGE, folder.path()).arguments(["--tls", "self-signed"]);
    let server = command.start().await.unwrap();
    let stage = Stage::with(&[]).await;
    let url = &server.ready().url;
    let said = stage.refused("ada", &["register", "ada", "--server", url]).await;
    assert!(said.contains("certificate") && said.contains("--ca"), "{said}");
    let ca = server.ready().certificate.clone().unwrap();
    stage.told("ada", &["register", "ada", "--server", url, "--ca", text(&ca)]).await;
    stage.told("bob", &["register", "bob", "--server", url, "--ca", text(&ca)]).await;
    // Both are remembered, and hold for the signaling connection, too.
    let mut listening = stage.listen("bob", &[]);
    stage.told("ada", &["send", "--to", "bob", "in private"]).await;
    assert_eq!(listening.next("message").await["text"], "in private");
}

#[test]
fn every_command_explains_itself() {
    let help = |arguments: &[&str]| {
        let output = nudge(arguments.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output.stderr));
        said(&output.stdout)
    };
    let overview = help(&["help"]);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"listen") && commands.len() >= 13, "{overview}");
    for command in commands {
        let text = help(&[command, "--help"]);
        assert!(text.contains("Usage: nudge") && text.lines().count() > 8, "{command}: {text}");
    }
}
