//! Bad configuration: one line that says what is wrong and what to do, status 2, soon.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use nudge_test_servers::Postgres;

use crate::program::{nudge, text};

/// Within which every refusal must come.
const SOON: Duration = Duration::from_secs(10);

/// What `nudge` says, and that it says it as it must.
fn refusal(words: &[&str], environment: &[(&str, &str)]) -> String {
    let begun = Instant::now();
    let mut command = nudge(words.iter().copied());
    command.env_remove("AWS_ENDPOINT").envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert!(begun.elapsed() < SOON, "{words:?} took {:?}", begun.elapsed());
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("nudge: ")).collect();
    assert_eq!(lines.len(), 1, "{words:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    lines[0].to_owned()
}

/// Arguments, environment, and what the one line must say.
type Case<'a> = (Vec<String>, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn bad_settings_end_with_one_line_and_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let data = path("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let nothing = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let postgres = format!("postgres://nudge:hush@{nothing}/nudge");
    let endpoint = format!("http://{nothing}");
    std::fs::write(path("unknown.toml"), "histroy_days = 1\n").unwrap();
    std::fs::write(path("number.toml"), "history_days = \"many\"\n").unwrap();
    std::fs::write(path("broken.toml"), "history_days = = 1\n").unwrap();
    std::fs::write(path("short"), "weak\n").unwrap();
    let config = |name: &str| path(name);
    let s3 = [
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_ENDPOINT", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "r"),
    ];
    let anywhere = ["--fetch", "127.0.0.1:0", "--private", "127.0.0.1:0", "--data-dir", &data];
    let fetch = |words: &[&str]| {
        [&["fetch"], &anywhere[..], words]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let traced =
        |words: &[&str]| fetch(&[&["--otlp-endpoint", "http://127.0.0.1:1"], words].concat());
    let media = path("media");
    let expired = expired_certificate(folder.path());
    let cases: Vec<Case<'_>> = vec![
        (fetch(&["--database", "mysql://nudge:hush@db/nudge"]), &[], "postgres://"),
        (fetch(&["--database", "hush"]), &[], "--database"),
        (fetch(&["--database", &postgres]), &[], "--shared-directory"),
        (
            fetch(&["--database", &postgres, "--objects", &media, "--shared-directory"]),
            &[],
            "no Postgres answers",
        ),
        (fetch(&["--database-file", &path("none")]), &[], "cannot read"),
        (fetch(&["--objects", "ftp://bucket"]), &[], "s3://"),
        (fetch(&["--objects", "s3://nudge"]), &s3, "nudge"),
        (fetch(&["--shared-directory"]), &[], "--objects"),
        (fetch(&["--bus", "amqp://user:hush@bus"]), &[], "nats://"),
        (fetch(&["--bus-ca", &path("none")]), &[], "--bus-ca is of NATS alone"),
        (fetch(&["--bus", "tls://127.0.0.1:1", "--bus-ca", &path("none")]), &[], "cannot be read"),
        (
            fetch(&["--bus", "tls://127.0.0.1:1", "--bus-credentials", &path("short")]),
            &[],
            "as nsc writes it",
        ),
        (
            fetch(&["--bus", "tls://ada:hush@127.0.0.1:1", "--bus-credentials", &path("short")]),
            &[],
            "another one in",
        ),
        (fetch(&["--bus", "tls://127.0.0.1:1", "--bus-tls", &expired]), &[], "expired on"),
        (fetch(&["--advertise-signal", "chat.example.org"]), &[], "tcp://HOST:PORT"),
        (fetch(&["--advertise-fetch", "chat.example.org"]), &[], "https://"),
        (fetch(&["--tls", "cert.pem"]), &[], "CERT.pem,KEY.pem"),
        (fetch(&["--tls", &expired]), &[], "expired on"),
        (fetch(&["--tls", "none.pem,none.key"]), &[], "cannot read none.pem"),
        (fetch(&["--watch-secret-file", &path("short")]), &[], "watch-secret"),
        (fetch(&["--watch-client-ca", &path("none")]), &[], "cannot read"),
        (fetch(&["--admin-token-file", &path("short")]), &[], "openssl rand"),
        (fetch(&["--heartbeat-s", "5"]), &[], "30 to 600"),
        (fetch(&["--drain-delay-s", "301"]), &[], "0 to 300"),
        (fetch(&["--log", "nudge_fetch=lound"]), &[], "--log"),
        (fetch(&["--otlp-endpoint", "grpc://me:hush@collector:4317"]), &[], "http://HOST:4318"),
        (fetch(&[]), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "hush:4318")], "http://HOST:4318"),
        (traced(&["--otlp-headers", "key"]), &[], "--otlp-headers"),
        (traced(&[]), &[("OTEL_EXPORTER_OTLP_HEADERS", "x key=hush")], "NAME=VALUE"),
        (traced(&["--otlp-headers-file", &path("none")]), &[], "cannot read"),
        (traced(&["--trace-ratio", "2"]), &[], "from 0 to 1"),
        (fetch(&["--config", &config("none.toml")]), &[], "cannot read"),
        (fetch(&["--config", &config("unknown.toml")]), &[], "histroy_days"),
        (fetch(&["--config", &config("number.toml")]), &[], "--history-days"),
        (fetch(&["--config", &config("broken.toml")]), &[], "broken.toml"),
        (
            ["fetch", "--fetch", &taken, "--data-dir", &data].map(str::to_owned).to_vec(),
            &[],
            "cannot listen on",
        ),
        (
            ["fetch", "--fetch", "0.0.0.0:0", "--data-dir", &data].map(str::to_owned).to_vec(),
            &[],
            "--insecure",
        ),
        (["signal"].map(str::to_owned).to_vec(), &[], "--fetch"),
        (["signal", "--fetch", "fetch1:7490"].map(str::to_owned).to_vec(), &[], "http://HOST:PORT"),
        (
            ["signal", "--fetch", "http://fetch1:7490", "--node-name", "two words"]
                .map(str::to_owned)
                .to_vec(),
            &[],
            "--node-name",
        ),
        (
            ["signal", "--fetch", "https://fetch1:7490"].map(str::to_owned).to_vec(),
            &[],
            "authority",
        ),
        (
            ["signal", "--fetch", "http://127.0.0.1:1", "--signal", &taken]
                .map(str::to_owned)
                .to_vec(),
            &[],
            "cannot listen on",
        ),
    ];
    for (words, environment, expected) in cases {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let said = refusal(&words, environment);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(!said.contains("hush"), "a secret is in {said}");
    }
}

#[tokio::test]
async fn a_second_process_on_one_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = nudge_harness::ServerCommand::new(crate::program::NUDGE, folder.path())
        .start()
        .await
        .unwrap();
    let said = refusal(&second(folder.path()), &[]);
    assert!(said.contains("in use by another process"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_postgres_with_a_directory_of_its_own_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().database();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let store = |objects: &str| {
        let words = ["--database", &url, "--objects", objects, "--shared-directory"];
        words.map(str::to_owned)
    };
    let _first = nudge_harness::ServerCommand::new(crate::program::NUDGE, path("first"))
        .arguments(store(&path("one directory")))
        .start()
        .await
        .unwrap();
    let (data, store) = (path("second"), store(&path("another directory")));
    let words = second(Path::new(&data)).into_iter().chain(store.iter().map(String::as_str));
    let said = refusal(&words.collect::<Vec<_>>(), &[]);
    assert!(said.contains("another directory"), "{said}");
}

fn second(folder: &Path) -> [&str; 7] {
    ["fetch", "--fetch", "127.0.0.1:0", "--private", "127.0.0.1:0", "--data-dir", text(folder)]
}

/// "CERT.pem,KEY.pem" of a certificate whose time is over.
fn expired_certificate(folder: &Path) -> String {
    let mut about = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    about.not_before = rcgen::date_time_ymd(2019, 1, 1);
    about.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let (certificate_path, key_path) = (folder.join("expired.pem"), folder.join("expired.key"));
    std::fs::write(&certificate_path, about.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    format!("{},{}", text(&certificate_path), text(&key_path))
}
