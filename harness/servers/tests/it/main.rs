//! The servers come and go as they are told to.

use std::{process::Command, thread, time::Duration};

use nudge_test_servers::{Nats, Postgres, PostgresOptions, S3};

#[test]
fn postgres_keeps_what_was_committed_over_a_crash() {
    let postgres = Postgres::start(PostgresOptions::default()).unwrap();
    let url = postgres.database();
    let database = url.rsplit('/').next().unwrap();
    postgres
        .run_sql_in(database, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .unwrap();
    postgres.stop_immediate();
    assert!(!postgres.is_running());
    assert!(postgres.run_sql("SELECT 1").is_err());
    postgres.start_again().unwrap();
    assert_eq!(postgres.run_sql_in(database, "SELECT n FROM kept").unwrap(), "7\n");
    assert!(postgres.log().contains("not properly shut down"), "{}", postgres.log());
}

#[test]
fn each_database_of_the_shared_postgres_is_anothers() {
    let (one, other) = (Postgres::shared().database(), Postgres::shared().database());
    assert_ne!(one, other);
}

#[test]
fn a_standby_follows_and_is_promoted_to_a_timeline_of_its_own() {
    let primary = Postgres::start(PostgresOptions::default()).unwrap();
    let standby = primary.standby().unwrap();
    primary.run_sql("CREATE TABLE followed (n int)").unwrap();
    let timeline = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
    assert_eq!(primary.run_sql(timeline).unwrap(), "00000001\n");
    let follows = || standby.run_sql("SELECT count(*) FROM followed").is_ok();
    assert!((0..500).any(|_| follows() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
    primary.stop_immediate();
    standby.promote().unwrap();
    standby.run_sql("INSERT INTO followed VALUES (1)").unwrap();
    assert_eq!(standby.run_sql(timeline).unwrap(), "00000002\n");
}

#[test]
fn a_frozen_postgres_answers_once_it_is_thawed() {
    let postgres = Postgres::start(PostgresOptions::default()).unwrap();
    postgres.freeze();
    thread::scope(|scope| {
        let answer = scope.spawn(|| postgres.run_sql("SELECT 1"));
        thread::sleep(Duration::from_millis(300));
        assert!(!answer.is_finished());
        postgres.thaw();
        assert_eq!(answer.join().unwrap().unwrap(), "1\n");
    });
}

#[test]
fn nats_and_s3_come_back_on_their_ports() {
    let (nats, s3) = (Nats::start().unwrap(), S3::start().unwrap());
    let (nats_url, endpoint) = (nats.url(), s3.endpoint());
    nats.kill();
    s3.kill();
    assert!(!nats.is_running() && !s3.is_running());
    nats.start_again().unwrap();
    s3.start_again().unwrap();
    assert!(nats.is_running() && s3.is_running());
    assert_eq!((nats_url, endpoint), (nats.url(), s3.endpoint()));
    assert!(nats.log().contains("Server is ready"), "{}", nats.log());
}

#[test]
fn the_s3_server_finishes_what_it_began_before_it_stops() {
    let s3 = S3::start().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(50_000).unwrap();
    let mut upload = Command::new("curl")
        .args(["-s", "-f", "--limit-rate", "50k", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user"])
        .arg(format!("{}:{}", S3::ACCESS_KEY_ID, S3::SECRET_ACCESS_KEY))
        .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-T"])
        .arg(file.path())
        .arg(format!("{}/{}/slow", s3.endpoint(), S3::BUCKET))
        .spawn()
        .unwrap();
    let buckets = s3.folder().join("buckets");
    let is_begun = || std::fs::read_dir(&buckets).unwrap().count() > 1;
    while !is_begun() {
        thread::sleep(Duration::from_millis(10));
    }
    s3.stop();
    // Whether the answer still came is left open.
    upload.wait().unwrap();
    let object = buckets.join(S3::BUCKET).join("slow");
    assert_eq!(std::fs::metadata(object).unwrap().len(), 50_000);
}

#[test]
fn the_s3_server_lets_nobody_in_without_the_key() {
    let s3 = S3::start().unwrap();
    let url = format!("{}/{}/any", s3.endpoint(), S3::BUCKET);
    let curl = ["-s", "-o", "/dev/null", "-w", "%{http_code}"];
    let status = Command::new("curl").args(curl).arg(url).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&status), "403");
}

/// The test kills a run of itself that started a server, and looks for what is left.
#[test]
fn a_killed_test_leaves_no_server_behind() {
    if std::env::var_os("NUDGE_TEST_START_AND_WAIT").is_some() {
        let nats = Nats::start().unwrap();
        println!("port {}", nats.port());
        thread::sleep(Duration::from_secs(600));
    }
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_test_leaves_no_server_behind", "--nocapture"])
        .env("NUDGE_TEST_START_AND_WAIT", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(other.stdout.take().unwrap()));
    let port = lines.map_while(Result::ok).find_map(|line| {
        line.split_once("port ").and_then(|(_, port)| port.trim().parse::<u16>().ok())
    });
    let port = port.unwrap();
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(listens());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!((0..500).any(|_| !listens() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
}
