//! A sender, a recipient and a server, each a program of its own.

use std::process::Stdio;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::stage::{Stage, names, noise, said};
use crate::{program::text, serve::user};

#[tokio::test]
async fn text_and_file_go_from_one_terminal_to_the_other() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let inbox = stage.path("inbox");
    let mut listening = stage.listen("bob", &["--download", text(&inbox)]);
    let name = "my holiday ünïcode 写真.jpg";
    let photo = stage.file(name, &noise(3_000_000));
    let sent = stage
        .told("ada", &["send", "--to", "bob", "Hello\nBob", "--file", text(&photo)])
        .await
        .remove(0);
    let message = listening.next("message").await;
    assert_eq!(message["id"], sent["message_id"]);
    assert_eq!((&message["sender"], &message["text"]), (&"ada".into(), &"Hello\nBob".into()));
    assert_eq!((&message["kind"], &message["own"]), (&"direct".into(), &false.into()));
    assert_eq!(message["media"][0]["file_name"], name);
    let saved = listening.next("saved").await;
    assert_eq!(saved["path"], text(&inbox.join(name)));
    assert_eq!(std::fs::read(inbox.join(name)).unwrap(), noise(3_000_000));
    assert_eq!(names(&inbox), (vec![name.to_owned()], 0));

    // The sender is told that it arrived.
    let mut sender = stage.listen("ada", &[]);
    let receipt = sender.next("receipt").await;
    assert_eq!((&receipt["delivered"], &receipt["conversation"]), (&sent["seq"], &"bob".into()));
}

#[tokio::test]
async fn who_was_away_is_told_everything_at_the_next_start_in_order() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let empty = stage.file("empty.txt", b"");
    for number in 0..5 {
        stage.told("ada", &["send", "--to", "bob", &format!("text {number}")]).await;
    }
    stage.told("ada", &["send", "--to", "bob", "--file", text(&empty)]).await;
    let inbox = stage.path("inbox");
    let told = stage.told("bob", &["listen", "--count", "6", "--download", text(&inbox)]).await;
    let texts: Vec<_> = told
        .iter()
        .filter(|line| line["type"] == "message")
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["text 0", "text 1", "text 2", "text 3", "text 4", ""]);
    assert_eq!(std::fs::read(inbox.join("empty.txt")).unwrap(), b"");

    // Told once: the next run begins behind them.
    stage.told("ada", &["send", "--to", "bob", "one more"]).await;
    let told = stage.told("bob", &["listen", "--count", "1"]).await;
    let texts: Vec<_> = told.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts, ["one more"]);
}

#[tokio::test]
async fn files_of_one_name_are_saved_under_names_of_their_own() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let inbox = stage.path("inbox");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("a.txt"), "bob's own").unwrap();
    for content in ["first", "second"] {
        let file = stage.file("a.txt", content.as_bytes());
        stage.told("ada", &["send", "--to", "bob", "--file", text(&file)]).await;
    }
    stage.told("bob", &["listen", "--count", "2", "--download", text(&inbox)]).await;
    let read = |name: &str| std::fs::read_to_string(inbox.join(name)).unwrap();
    assert_eq!(names(&inbox).0, ["a (2).txt", "a (3).txt", "a.txt"]);
    assert_eq!(read("a.txt"), "bob's own");
    assert_eq!((read("a (2).txt"), read("a (3).txt")), ("first".into(), "second".into()));
}

#[tokio::test]
async fn a_second_listener_of_a_profile_is_refused_while_sending_works_beside_the_first() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let mut listening = stage.listen("bob", &[]);
    stage.told("ada", &["send", "--to", "bob", "are you there?"]).await;
    listening.next("message").await;
    let said = stage.refused("bob", &["listen"]).await;
    assert!(said.contains("listens with the profile \"bob\" already"), "{said}");
    stage.told("bob", &["send", "--to", "ada", "yes"]).await;
    let told = stage.told("ada", &["listen", "--count", "1"]).await;
    assert!(told.iter().any(|line| line["text"] == "yes"), "{told:?}");
}

#[tokio::test]
async fn what_was_left_in_the_outbox_is_sent_by_the_next_listener() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let file = stage.file("note.txt", b"by and by");
    let send = ["send", "--to", "bob", "later", "--file", text(&file), "--no-wait"];
    let queued = stage.told("ada", &send).await.remove(0);
    assert_eq!(queued["type"], "queued");
    let mut bob = stage.listen("bob", &[]);
    let _ada = stage.listen("ada", &[]);
    let message = bob.next("message").await;
    assert_eq!((&message["text"], &message["media"][0]["size"]), (&"later".into(), &9.into()));
}

#[tokio::test]
async fn a_group_is_told_by_its_title_and_written_to_by_its_id() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let carl = user(&stage.server, "carl").await;
    let member = async |handle: &str| {
        let path = format!("/v1/users/{handle}");
        let found = carl.request(Method::GET, &path).send().await.unwrap();
        found.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let members = [member("ada").await, member("bob").await];
    let group = carl.group("Trip to Rome", &members).await.unwrap();
    let mut bob = stage.listen("bob", &[]);
    let change = bob.next("change").await;
    assert_eq!(
        (&change["actor"], &change["conversation"]),
        (&"carl".into(), &"Trip to Rome".into())
    );
    stage.told("ada", &["send", "--group", &group.id, "When?", "--ttl", "3600"]).await;
    let message = bob.next("message").await;
    assert_eq!((&message["sender"], &message["text"]), (&"ada".into(), &"When?".into()));
    assert_eq!(
        (&message["kind"], &message["conversation"]),
        (&"group".into(), &"Trip to Rome".into())
    );
    let lives_ms =
        message["expires_at_ms"].as_u64().unwrap() - message["sent_at_ms"].as_u64().unwrap();
    assert_eq!(lives_ms, 3_600_000);
}

#[tokio::test]
async fn sigterm_and_ctrl_c_end_a_listener_cleanly() {
    let stage = Stage::with(&["ada", "bob"]).await;
    for (signal, said) in [(Signal::TERM, "one"), (Signal::INT, "two")] {
        let mut listening = stage.listen("bob", &[]);
        stage.told("ada", &["send", "--to", "bob", said]).await;
        assert_eq!(listening.next("message").await["text"], said);
        let status = listening.end_by(signal).await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn what_others_write_cannot_act_on_the_terminal() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let escape = "\x1b[2J\x1b]0;owned\x07";
    stage.told("ada", &["send", "--to", "bob", escape]).await;
    let output = stage.run("bob", &["listen", "--count", "1"]).await;
    let printed = said(&output.stdout);
    assert!(printed.contains("ada:") && printed.contains("[2J"), "{printed}");
    assert!(!printed.contains(['\x1b', '\x07']), "{printed:?}");
}

#[tokio::test]
async fn two_people_chat_line_by_line() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let file = stage.file("map.txt", b"turn left");
    let mut bob = stage.listen("bob", &[]);
    let mut chat = stage
        .command("ada", &["chat", "bob"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = chat.stdin.take().unwrap();
    keyboard.write_all(b"Where are you?\n").await.unwrap();
    assert_eq!(bob.next("message").await["text"], "Where are you?");
    keyboard.write_all(format!("/file {}\n", text(&file)).as_bytes()).await.unwrap();
    assert_eq!(bob.next("message").await["media"][0]["file_name"], "map.txt");
    stage.told("bob", &["send", "--to", "ada", "Here"]).await;
    // What is shown is read.
    while bob.next("receipt").await["read"] != 3 {}
    keyboard.write_all(b"/quit\n").await.unwrap();
    let output = chat.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert!(said(&output.stdout).contains("bob: Here"), "{}", said(&output.stdout));

    let history = stage.told("ada", &["history", "bob"]).await;
    let texts: Vec<_> = history.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Where are you?", "", "Here"]);
    let list = stage.told("ada", &["conversations"]).await;
    assert_eq!((&list[0]["name"], &list[0]["unread"]), (&"bob".into(), &0.into()));
}
