//! Certificates that are replaced while a server runs.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use nudge_harness::ServerCommand;
use rustix::process::Signal;

use crate::program::NUDGE;

/// Whatever is waited for must be there within this time.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sighup_takes_new_certificates_into_use_for_the_public_and_among_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let (public, private) = (folder.path().join("public"), folder.path().join("private"));
    let before = [replace(&public), replace(&private)];
    let arguments =
        ["--tls".to_owned(), files(&public), "--private-tls".to_owned(), files(&private)];
    let command = ServerCommand::new(NUDGE, folder.path().join("data"));
    let mut server = command.arguments(arguments).start().await.unwrap();
    let at = [server.ready().fetch, server.ready().private];
    for (at, authority) in at.iter().zip(&before) {
        assert!(trusts(*at, authority).await, "{}", server.output());
    }

    let after = [replace(&public), replace(&private)];
    server.signal(Signal::HUP).unwrap();
    let begun = Instant::now();
    for (at, authority) in at.iter().zip(&after) {
        while !trusts(*at, authority).await {
            assert!(begun.elapsed() < PATIENCE, "{}", server.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for (at, authority) in at.iter().zip(&before) {
        assert!(!trusts(*at, authority).await, "the old one is out of use");
    }

    // What is no certificate changes nothing, and is told.
    fs::write(public.with_extension("pem"), "no certificate").unwrap();
    server.signal(Signal::HUP).unwrap();
    while !server.output().contains("was not reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", server.output());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(trusts(at[0], &after[0]).await);
    assert!(server.terminate().await.unwrap().success(), "{}", server.output());
}

fn files(path: &Path) -> String {
    format!("{},{}", path.with_extension("pem").display(), path.with_extension("key").display())
}

/// Puts a new certificate there, which is an authority of its own.
fn replace(path: &Path) -> reqwest::Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(path.with_extension("key"), made.signing_key.serialize_pem()).unwrap();
    fs::write(path.with_extension("pem"), made.cert.pem()).unwrap();
    reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// Whether who trusts nobody else gets an answer.
async fn trusts(at: SocketAddr, authority: &reqwest::Certificate) -> bool {
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.clone()])
        .resolve("localhost", at)
        .build()
        .unwrap();
    client.get(format!("https://localhost:{}/healthz", at.port())).send().await.is_ok()
}
