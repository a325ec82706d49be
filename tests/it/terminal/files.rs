//! `nudge download`, cut and gone on with.

use std::process::Stdio;

use nudge_harness::FaultProxy;
use tokio::time::timeout;

use super::stage::{PATIENCE, Stage, names, noise};
use crate::program::text;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_download_killed_in_the_middle_goes_on_where_it_was() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let video = stage.file("video.mp4", &noise(24 * MIB as usize));
    let send = ["send", "--to", "bob", "--file", text(&video)];
    let sent = stage.told("ada", &send).await.remove(0);
    let medium = sent["media"][0]["id"].as_str().unwrap();

    let proxy = FaultProxy::start(stage.server.ready().fetch).await.unwrap();
    let slow = format!("http://{}", proxy.address());
    let folder = stage.path("bob's files");
    std::fs::create_dir(&folder).unwrap();
    let target = folder.join("film.mp4");
    let download = ["download", medium, "--output", text(&target), "--server"];
    let mut resumed_from = 0;
    for round in 1..=3 {
        let carried = proxy.to_client().carried();
        proxy.to_client().throttle(16 * MIB);
        let mut child = stage
            .command("bob", &[&download[..], &[&slow]].concat())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let much = async {
            while proxy.to_client().carried() < carried + 5 * MIB {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, much).await.expect("the download does not get on");
        child.kill().await.unwrap();
        assert!(!target.exists(), "it has its name before it is whole");
        let (shown, hidden) = names(&folder);
        assert_eq!((shown.len(), hidden), (0, 1), "round {round}");
        let part = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        let length = part.metadata().unwrap().len();
        assert!(length > resumed_from, "round {round} lost what round {} had", round - 1);
        resumed_from = length;
    }
    let done = stage.told("bob", &[&download[..], &[stage.url()]].concat()).await.remove(0);
    assert_eq!(done["resumed_from"], resumed_from);
    assert_eq!(done["bytes_fetched"], 24 * MIB - resumed_from);
    assert_eq!(std::fs::read(&target).unwrap(), std::fs::read(&video).unwrap());
    assert_eq!(names(&folder), (vec!["film.mp4".to_owned()], 0));
}

#[tokio::test]
async fn a_send_killed_in_the_middle_of_its_upload_is_finished_by_the_next_listener() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let video = stage.file("video.mp4", &noise(24 * MIB as usize));
    let proxy = FaultProxy::start(stage.server.ready().fetch).await.unwrap();
    proxy.to_server().throttle(16 * MIB);
    let slow = format!("http://{}", proxy.address());
    let send = ["send", "--to", "bob", "--file", text(&video), "Look!", "--server", &slow];
    let mut child = stage.command("ada", &send).spawn().unwrap();
    let half = async {
        while proxy.to_server().carried() < 12 * MIB {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, half).await.expect("the upload does not get on");
    child.kill().await.unwrap();

    let inbox = stage.path("inbox");
    let mut bob = stage.listen("bob", &["--download", text(&inbox)]);
    let _ada = stage.listen("ada", &[]);
    assert_eq!(bob.next("message").await["text"], "Look!");
    bob.next("saved").await;
    assert_eq!(std::fs::read(inbox.join("video.mp4")).unwrap(), noise(24 * MIB as usize));
    let history = stage.told("bob", &["history", "ada"]).await;
    assert_eq!(history.len(), 1, "{history:?}");
}

#[tokio::test]
async fn without_a_name_a_download_takes_the_senders_and_never_replaces_a_file() {
    let stage = Stage::with(&["ada", "bob"]).await;
    let file = stage.file("a b.txt", b"content");
    let sent = stage.told("ada", &["send", "--to", "bob", "--file", text(&file)]).await.remove(0);
    let medium = sent["media"][0]["id"].as_str().unwrap();
    let folder = stage.path("bob's files");
    std::fs::create_dir(&folder).unwrap();
    for name in ["a b.txt", "a b (2).txt"] {
        let mut command = stage.command("bob", &["download", medium]);
        assert!(command.current_dir(&folder).status().await.unwrap().success());
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), b"content");
    }
    let named = ["download", medium, "--output", text(&folder)];
    let done = stage.told("bob", &named).await.remove(0);
    assert_eq!(done["path"], text(&folder.join("a b (3).txt")));
    // A third account has no part in it.
    stage.told("eve", &["register", "eve", "--server", stage.url()]).await;
    let said = stage.refused("eve", &["download", medium]).await;
    assert!(said.contains("there is no file"), "{said}");
}
