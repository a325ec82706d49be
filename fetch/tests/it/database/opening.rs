//! Opening: many at once, and what is refused with which words.

use std::{fs, process::Command, time::Duration};

use futures::future::join_all;
use nudge_fetch::store::{
    SchemaError, Upkeep,
    postgres::{OpenError, PostgresOptions, PostgresStore},
};
use nudge_test_servers::{Postgres, PostgresOptions as ServerOptions};
use tokio::time::{Instant, timeout};

use super::{few_connections, name_of};

async fn refusal(url: String) -> OpenError {
    let options = PostgresOptions::new(url);
    let opened = timeout(Duration::from_secs(10), PostgresStore::open(&options)).await;
    opened.unwrap().unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_started_at_once_make_one_schema_and_one_store() {
    let url = Postgres::shared().database();
    let options = few_connections(url.clone());
    let stores = join_all((0..10).map(|_| PostgresStore::open(&options))).await;
    let mut identities = Vec::new();
    for store in stores {
        let store = store.unwrap();
        identities.push(store.identity().await.unwrap());
        store.close().await;
    }
    assert!(identities.windows(2).all(|pair| pair[0] == pair[1]), "{identities:?}");
    let applied = "SELECT count(*) = count(DISTINCT version) FROM _sqlx_migrations";
    assert_eq!(Postgres::shared().run_sql_in(name_of(&url), applied).unwrap().trim(), "t");
}

#[tokio::test]
async fn p7_a_node_starts_beside_newer_ones_unless_they_need_the_schema_for_themselves() {
    let url = Postgres::shared().database();
    let options = few_connections(url.clone());
    let run = |statement| Postgres::shared().run_sql_in(name_of(&url), statement).unwrap();
    PostgresStore::open(&options).await.unwrap().close().await;
    run("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'of a newer version', true, '', 0)");
    PostgresStore::open(&options).await.unwrap().close().await;
    run("UPDATE store SET compatible_from = 9000");
    let refused = PostgresStore::open(&options).await.unwrap_err();
    let is_too_new =
        matches!(&refused, OpenError::Schema(SchemaError::TooNew { needed: 9000, .. }));
    assert!(is_too_new && refused.to_string().contains("newer version of Nudge"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_time() {
    let begun = Instant::now();
    let refused = refusal("postgres://nudge:secret@127.0.0.1:1/nudge".to_owned()).await;
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let text = refused.to_string();
    assert!(text.contains("127.0.0.1:1") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let refused = refusal(Postgres::shared().url("nowhere")).await;
    assert!(
        matches!(&refused, OpenError::NoDatabase { name, .. } if name == "nowhere"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_without_being_told() {
    let server = Postgres::start(ServerOptions::default()).unwrap();
    server.run_sql("CREATE ROLE nudge LOGIN PASSWORD 'right'").unwrap();
    let rules = "host all nudge 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    server.run_sql("SELECT pg_reload_conf()").unwrap();
    let refused =
        refusal(format!("postgres://nudge:wrong@127.0.0.1:{}/postgres", server.port())).await;
    assert!(matches!(&refused, OpenError::Refused { user, .. } if user == "nudge"), "{refused:?}");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}

#[tokio::test]
async fn p1_a_server_that_might_lose_a_commit_is_refused_unless_that_is_wanted() {
    let url = Postgres::shared().database();
    let off = format!("ALTER DATABASE {} SET synchronous_commit = off", name_of(&url));
    Postgres::shared().run_sql(&off).unwrap();
    let refused = refusal(url.clone()).await;
    let OpenError::NotDurable { setting, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(setting, "synchronous_commit");
    let wanted = PostgresOptions { allow_unsafe_durability: true, ..few_connections(url) };
    PostgresStore::open(&wanted).await.unwrap().close().await;

    let settings = vec![("fsync".to_owned(), "off".to_owned())];
    let server = Postgres::start(ServerOptions { settings }).unwrap();
    let refused = refusal(server.database()).await;
    assert!(matches!(refused, OpenError::NotDurable { setting: "fsync", .. }), "{refused:?}");
}

#[tokio::test]
async fn p8_a_server_is_checked_by_its_certificate() {
    // The process's provider of cryptography, as the program installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = Postgres::start(ServerOptions::default()).unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (server.folder().join("tls.pem"), server.folder().join("tls.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    for program in [&["chmod", "600"][..], &["chown", "--reference=data"]] {
        let mut command = Command::new(program[0]);
        command.current_dir(server.folder()).args(&program[1..]).args([&key, &certificate]);
        assert!(command.status().unwrap().success());
    }
    for (name, value) in [("ssl_cert_file", &certificate), ("ssl_key_file", &key)] {
        server.run_sql(&format!("ALTER SYSTEM SET {name} = '{}'", value.display())).unwrap();
    }
    server.run_sql("ALTER SYSTEM SET ssl = on").unwrap();
    server.run_sql("SELECT pg_reload_conf()").unwrap();
    // `sslrootcert` is a file of its own: the test may read it whoever owns the server's.
    let root = tempfile::NamedTempFile::new().unwrap();
    fs::write(root.path(), made.cert.pem()).unwrap();
    let url = server.database();
    let checked = format!("{url}?sslmode=verify-full&sslrootcert={}", root.path().display());
    let store = loop {
        // A reload takes its moment.
        match PostgresStore::open(&few_connections(checked.clone())).await {
            Ok(store) => break store,
            Err(error) if error.to_string().contains("TLS upgrade") => {}
            Err(error) => panic!("{error}"),
        }
    };
    let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    let count: u32 = server.run_sql(encrypted).unwrap().trim().parse().unwrap();
    assert!(count > 0);
    store.close().await;

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(root.path(), stranger.cert.pem()).unwrap();
    let refused = refusal(checked).await;
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused:?}");
}
