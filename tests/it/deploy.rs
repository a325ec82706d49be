//! The files in `deploy/`, as far as they can be run here.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nudge_client_sdk::{Client, ClientConfig, Event, NewAccount, UpdateKind};
use nudge_fetch::limits::SHUTDOWN_TIMEOUT;
use nudge_harness::{Cluster, system::PASSWORD};
use nudge_server::limits::DRAIN_DELAY;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::program::NUDGE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_spreads_clients_over_two_nodes_of_each_role_and_passes_dead_ones_by() {
    let folder = tempfile::tempdir().unwrap();
    let front = Front::new(folder.path());
    let cluster = Cluster::builder(NUDGE)
        .nodes(2, 2)
        .advertise(front.api_url(), format!("tls://localhost:{}", front.signal_port))
        .start()
        .await
        .unwrap();
    let _haproxy = front.start(&cluster).await;
    let ada = front.person("ada").await;
    let bob = front.person("bob").await;
    let bob_id = bob.user().await.unwrap().unwrap().id;
    let talk = ada.direct(bob_id).await.unwrap().id;
    let mut events = bob.events();
    for round in 0..4 {
        // One of each role is gone, another one each time.
        let (fetch, signal) = (&cluster.fetch()[round % 2], &cluster.signal()[round % 2]);
        if round > 0 {
            fetch.lock().await.kill().await.unwrap();
            signal.lock().await.kill().await.unwrap();
        }
        let text = format!("round {round}");
        ada.send_text(talk, &text).await.unwrap();
        let heard = timeout(Duration::from_secs(60), hear(&bob, &mut events)).await;
        assert_eq!(heard.expect("the message arrives"), text);
        if round > 0 {
            fetch.lock().await.restart().await.unwrap();
            signal.lock().await.restart().await.unwrap();
        }
    }
}

#[test]
fn the_units_are_units() {
    for unit in ["nudge.service", "nudge-fetch.service", "nudge-signal.service"] {
        let text = std::fs::read_to_string(deploy().join("systemd").join(unit)).unwrap();
        // The program is not installed where the unit expects it.
        let text = text.replace("/usr/local/bin/nudge", NUDGE);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(unit);
        std::fs::write(&path, text).unwrap();
        let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn p7_nothing_kills_a_node_before_its_delay_and_its_drain_are_over() {
    let needed = DRAIN_DELAY + 2 * SHUTDOWN_TIMEOUT;
    for (file, key) in [
        ("systemd/nudge-fetch.service", "TimeoutStopSec="),
        ("systemd/nudge-signal.service", "TimeoutStopSec="),
        ("compose/compose.yaml", "stop_grace_period: "),
        ("kubernetes/fetch.yaml", "terminationGracePeriodSeconds: "),
        ("kubernetes/signal.yaml", "terminationGracePeriodSeconds: "),
    ] {
        let text = std::fs::read_to_string(deploy().join(file)).unwrap();
        let told = text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
        let secs = told.trim_end_matches('s').parse().unwrap();
        assert!(Duration::from_secs(secs) > needed, "{file}: {told}, and {needed:?} are needed");
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The next message, confirmed.
async fn hear(client: &Client, events: &mut nudge_client_sdk::Events) -> String {
    loop {
        let Some(Event::Update(update)) = events.next().await.unwrap() else { continue };
        client.confirm(update.position).await.unwrap();
        if let UpdateKind::Message(message) = update.kind {
            return message.text().unwrap().to_owned();
        }
    }
}

/// HAProxy's two ports and its certificate.
struct Front {
    folder: PathBuf,
    api_port: u16,
    signal_port: u16,
    certificate: String,
}

impl Front {
    fn new(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let both = certificate.clone() + &made.signing_key.serialize_pem();
        std::fs::write(folder.join("front.pem"), both).unwrap();
        let port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        Self { folder: folder.to_owned(), api_port: port(), signal_port: port(), certificate }
    }

    fn api_url(&self) -> String {
        format!("https://localhost:{}", self.api_port)
    }

    async fn start(&self, cluster: &Cluster) -> Haproxy {
        let mut haproxy = Command::new("haproxy");
        haproxy
            .arg("-f")
            .arg(deploy().join("haproxy/haproxy.cfg"))
            .env("CERTIFICATE", self.folder.join("front.pem"))
            .env("API", format!("127.0.0.1:{}", self.api_port))
            .env("SIGNAL", format!("127.0.0.1:{}", self.signal_port))
            .stdout(Stdio::null());
        for (role, nodes) in [("FETCH", cluster.fetch()), ("SIGNAL", cluster.signal())] {
            for (number, node) in (1..).zip(nodes) {
                let ready = node.lock().await.ready().clone();
                let address = ready.fetch.or(ready.signal).unwrap();
                haproxy
                    .env(format!("{role}_{number}"), address.to_string())
                    .env(format!("{role}_{number}_HOST"), ready.private.ip().to_string())
                    .env(format!("{role}_{number}_PRIVATE_PORT"), ready.private.port().to_string());
            }
        }
        let started = haproxy.spawn().expect("haproxy is installed: scripts/test does it");
        let started = Haproxy(started);
        for port in [self.api_port, self.signal_port] {
            let listens = async {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(Duration::from_secs(20), listens).await.expect("HAProxy listens");
        }
        started
    }

    /// A new account with its app, which goes through HAProxy alone.
    async fn person(&self, handle: &str) -> Client {
        let mut config = ClientConfig::new(self.api_url(), self.folder.join(handle));
        config.extra_roots_pem = vec![self.certificate.clone().into_bytes()];
        config.retry_max = Duration::from_secs(2);
        let client = Client::open(config).await.unwrap();
        let account = NewAccount {
            handle: handle.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: String::new(),
            invite: None,
        };
        client.register(account).await.unwrap();
        client.log_in(handle, PASSWORD).await.unwrap();
        client
    }
}

struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
