//! `nudge listen` under `kill -9`.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nudge_client_sdk::{Client, ClientConfig, NewAccount};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::stage::{PASSWORD, PATIENCE, Stage, names};
use crate::program::text;

/// How long messages flow and listeners die.
const KILLING: Duration = Duration::from_secs(20);
/// Between two messages.
const PAUSE: Duration = Duration::from_millis(15);
/// Every so many messages have a file.
const FILE_EVERY: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_killed_at_any_moment_neither_loses_nor_repeats_a_message() {
    let stage = Stage::with(&["bob"]).await;
    let listener = Listener { stage: &stage, output: stage.path("out"), inbox: stage.path("in") };
    let (url, folder) = (stage.url().to_owned(), stage.path("ada"));
    let sender = tokio::spawn(send_for(KILLING, url, folder));

    let mut random = fastrand::Rng::with_seed(1);
    let mut kills = 0;
    while !sender.is_finished() {
        let mut child = listener.start();
        if kills % 2 == 0 {
            sleep(Duration::from_micros(random.u64(50_000..600_000))).await;
        } else {
            // As soon as something is printed: between the line and the note that it was printed.
            let lines = listener.lines();
            let grown = async {
                while listener.lines() == lines && !sender.is_finished() {
                    sleep(Duration::from_micros(random.u64(1..500))).await;
                }
            };
            timeout(PATIENCE, grown).await.expect("nothing is printed");
        }
        child.kill().await.unwrap();
        kills += 1;
    }
    let sent = sender.await.unwrap();
    let _last = listener.start();
    let all = async {
        while listener.told().len() < sent + sent.div_ceil(FILE_EVERY) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let is_complete = timeout(PATIENCE, all).await.is_ok();
    let told = listener.told();
    let texts: Vec<_> = told.iter().filter_map(|line| line["text"].as_str()).collect();
    let expected: Vec<_> = (0..sent).map(|number| number.to_string()).collect();
    let wrong = texts.iter().zip(&expected).position(|(text, expected)| text != expected);
    assert!(
        is_complete && texts == expected,
        "after {kills} kills {} of {sent} were told; the first that is wrong: {wrong:?}",
        texts.len()
    );
    let saved: Vec<_> = told.iter().filter(|line| line["type"] == "saved").collect();
    assert_eq!(saved.len(), sent.div_ceil(FILE_EVERY));
    let (mut shown, _) = names(&listener.inbox);
    assert_eq!(shown.len(), saved.len());
    shown.sort_by_key(|name| name.len());
    for line in saved {
        let content = std::fs::read_to_string(line["path"].as_str().unwrap()).unwrap();
        assert!(content.starts_with("the file of ") && content.len() > 1000, "{line}");
    }
    println!("{kills} kills, {sent} messages");
}

struct Listener<'s> {
    stage: &'s Stage,
    output: PathBuf,
    inbox: PathBuf,
}

impl Listener<'_> {
    fn start(&self) -> tokio::process::Child {
        let output = OpenOptions::new().create(true).append(true).open(&self.output).unwrap();
        let arguments = ["listen", "--json", "--download", text(&self.inbox)];
        self.stage.command("bob", &arguments).stdout(Stdio::from(output)).spawn().unwrap()
    }

    fn lines(&self) -> usize {
        std::fs::read(&self.output).unwrap().iter().filter(|byte| **byte == b'\n').count()
    }

    /// Messages and saved files.
    fn told(&self) -> Vec<Value> {
        let output = std::fs::read_to_string(&self.output).unwrap();
        let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["type"] == "message" || line["type"] == "saved").collect()
    }
}

/// Ada sends numbers for a while, some with a file; how many there were.
async fn send_for(time: Duration, url: String, folder: PathBuf) -> usize {
    let client = Client::open(ClientConfig::new(url, &folder)).await.unwrap();
    let account = NewAccount {
        handle: "ada".to_owned(),
        password: PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    client.register(account).await.unwrap();
    client.log_in("ada", PASSWORD).await.unwrap();
    let bob = client.find_user("bob").await.unwrap();
    let talk = client.direct(bob.id).await.unwrap().id;
    let end = Instant::now() + time;
    let mut sent = 0_usize;
    while Instant::now() < end {
        let number = sent.to_string();
        // One after the other, so that what a file holds up keeps its place.
        let message = if sent.is_multiple_of(FILE_EVERY) {
            client.send_file(talk, file(&folder, &number), &number).await.unwrap()
        } else {
            client.send_text(talk, &number).await.unwrap()
        };
        client.sent(message).await.unwrap();
        sent += 1;
        sleep(PAUSE).await;
    }
    client.close().await;
    sent
}

/// All of the same name.
fn file(folder: &Path, number: &str) -> PathBuf {
    let folder = folder.join(number);
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("file.txt");
    std::fs::write(&path, format!("the file of {number} ").repeat(100)).unwrap();
    path
}
