//! What an operator sees and does on the command line, with real nodes.

use std::{
    net::TcpListener,
    process::Output,
    time::{Duration, Instant},
};

use nudge_harness::{Api, Cluster, Peer, cluster::BusKind, system::PASSWORD};
use nudge_proto::CloseCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::program::{NUDGE, nudge};

/// Two nodes of each role, each fetch node with devices of its own.
struct Operated {
    cluster: Cluster,
    nodes: String,
}

/// A device, connected.
struct Phone {
    api: Api,
    peer: Peer,
}

impl Operated {
    async fn start() -> Self {
        let builder = Cluster::builder(NUDGE).bus(BusKind::Postgres).paired();
        let cluster = builder.start().await.unwrap();
        let mut nodes = Vec::new();
        for node in cluster.fetch() {
            nodes.push(format!("http://{}", node.lock().await.ready().private));
        }
        Self { cluster, nodes: nodes.join(",") }
    }

    /// A new device of this handle, on the nodes of this number.
    async fn phone(&self, handle: &str, number: usize) -> Phone {
        let mut api = Api::new(self.cluster.node_url(number).await.unwrap()).unwrap();
        api.sign_up(handle, PASSWORD).await.unwrap();
        let address = self.cluster.signal()[number].lock().await.ready().signal.unwrap();
        let mut peer = Peer::connect(address, None).await.unwrap();
        peer.join(api.session()).await.unwrap();
        Phone { api, peer }
    }

    /// `nudge admin` with these words, to its end.
    async fn admin(&self, words: &[&str]) -> Output {
        admin(words, &self.nodes, self.cluster.admin_token()).await
    }

    /// What it prints, a line an object.
    async fn tell(&self, words: &[&str]) -> Vec<Value> {
        let output = self.admin(&[words, &["--json"]].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{words:?}: {said}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The devices that are connected, over all nodes.
    async fn connected(&self) -> Vec<String> {
        let pages = self.tell(&["sessions"]).await;
        let sessions = pages.iter().flat_map(|page| page["sessions"].as_array().unwrap());
        sessions.map(|session| session["device_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many devices are connected: a signal node may choose either fetch node, and tells it
    /// of an end behind the client's back.
    async fn connected_are(&self, wanted: &[&Phone]) {
        let mut wanted: Vec<_> = wanted.iter().map(|phone| phone.device()).collect();
        wanted.sort_unstable();
        let begun = Instant::now();
        loop {
            let mut connected = self.connected().await;
            connected.sort_unstable();
            if connected == wanted {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{connected:?} are connected, and not {wanted:?}");
        }
    }
}

impl Phone {
    fn device(&self) -> &str {
        &self.api.session().device_id
    }
}

/// What the signal nodes of an answer are called.
fn names(told: &Value) -> Vec<&str> {
    let nodes = told["signal_nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["name"].as_str().unwrap()).collect()
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn admin(words: &[&str], nodes: &str, token: &str) -> Output {
    let mut command = nudge([&["admin"], words].concat());
    command.env("NUDGE_NODES", nodes).env("NUDGE_ADMIN_TOKEN", token);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_with_their_nodes_and_ended_by_device_and_by_user() {
    let operated = Operated::start().await;
    let mut adas = operated.phone("ada", 0).await;
    let mut bobs = operated.phone("bob", 0).await;
    let mut bobs_other = operated.phone("bob", 1).await;
    operated.connected_are(&[&adas, &bobs, &bobs_other]).await;

    let pages = operated.tell(&["sessions"]).await;
    let nodes: Vec<_> =
        pages.iter().flat_map(|page| page["signal_nodes"].as_array().unwrap()).collect();
    assert_eq!(nodes.iter().map(|node| node["sessions"].as_u64().unwrap()).sum::<u64>(), 3);
    for signal in operated.cluster.signal() {
        let port = signal.lock().await.ready().signal.unwrap().port();
        let is_it = |node: &&&Value| node["name"].as_str().unwrap().ends_with(&format!(":{port}"));
        let node = nodes.iter().find(is_it).unwrap();
        assert!(node["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{node}");
        assert!(node["last_heard_ms"].as_u64() >= node["since_ms"].as_u64(), "{node}");
    }
    let stats = operated.tell(&["stats"]).await;
    assert_eq!((stats.len(), &stats[0]["users"], &stats[1]["users"]), (2, &json!(2), &json!(2)));
    let of_stats: Vec<_> = stats.iter().map(|one| names(&one["node"])).collect();
    assert_eq!(of_stats, pages.iter().map(names).collect::<Vec<_>>());

    let kicked = operated.tell(&["kick", "bob", bobs.device()]).await;
    assert_eq!(kicked[0]["devices"], json!([bobs.device()]));
    assert_eq!(bobs.peer.hear_end().await.unwrap(), CloseCode::Kicked);
    operated.connected_are(&[&adas, &bobs_other]).await;

    let kicked = operated.tell(&["kick", "bob", "--revoke"]).await;
    assert_eq!(kicked[0]["devices"].as_array().unwrap().len(), 2);
    assert_eq!(bobs_other.peer.hear_end().await.unwrap(), CloseCode::Revoked);
    operated.connected_are(&[&adas]).await;
    assert!(bobs.api.inbox("1.0", 1).await.is_err(), "he is logged out");

    let text = operated.admin(&["kick", &adas.api.user().id]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("ended the connections of 1 device of "), "{text}");
    assert_eq!(adas.peer.hear_end().await.unwrap(), CloseCode::Kicked);
    operated.connected_are(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_one_line_and_no_success() {
    let operated = Operated::start().await;
    let ada = operated.phone("ada", 0).await;
    let (token, nodes) = (operated.cluster.admin_token(), operated.nodes.as_str());
    let (one, _) = nodes.split_once(',').unwrap();
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let stranger = format!("http://{}", operated.cluster.signal()[0].lock().await.ready().private);
    let (device, message) = (Uuid::new_v4().to_string(), Uuid::now_v7().to_string());
    let wrong = "x".repeat(40);
    let cases: &[(&[&str], &str, &str, i32, &str)] = &[
        (&["kick", "nobody"], nodes, token, 1, "there is no user nobody"),
        (&["kick", "ada", &device], nodes, token, 1, "no such active device"),
        (&["kick", "not a handle"], nodes, token, 1, "neither a user id nor a handle"),
        (&["sessions", "--user", "a&b"], one, token, 1, "\"a&b\""),
        (&["message", &message], nodes, token, 1, "nothing is known of the message"),
        (&["message", "7"], nodes, token, 2, "'7'"),
        (&["stats"], one, &wrong, 1, "401"),
        (&["kick", "ada"], nodes, &wrong, 1, "401"),
        (&["stats"], one, "short", 2, "token"),
        (&["sessions"], &nobody, token, 1, "Connection refused"),
        (&["kick", "ada"], &nobody, token, 1, "Connection refused"),
        (&["sessions"], &stranger, token, 1, "private listener of a fetch node"),
        (&["sessions"], "fetch1:7490", token, 2, "http://HOST:7490"),
        (&["sessions", "--ca", "none.pem"], one, token, 2, "cannot read none.pem"),
    ];
    for (words, nodes, token, status, expected) in cases {
        let output = admin(words, nodes, token).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*status), "{words:?}: {said}");
        assert!(said.contains(expected) && !said.contains(&wrong), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
        // What clap says has its usage below.
        let is_claps = said.starts_with("error:");
        assert!(is_claps || (said.starts_with("nudge: ") && said.lines().count() == 1), "{said}");
    }
    // Of several nodes one is away: what the others say is told, and that one is missing.
    let output = admin(&["stats"], &format!("{nobody},{one}"), token).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Connection refused"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("epoch 1"));
    // Whoever is there passes a kick on.
    let output = admin(&["kick", "ada"], &format!("{nobody},{one}"), token).await;
    assert!(output.status.success());
    let mut peer = ada.peer;
    assert_eq!(peer.hear_end().await.unwrap(), CloseCode::Kicked);
}
