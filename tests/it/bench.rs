//! The measurements run and tell their figures; how good those are is not for a test on a busy machine.

use nudge_test_servers::{Nats, Postgres};
use serde_json::{Value, json};

use crate::program::{self, nudge};

#[test]
fn bench_idle_tells_what_a_connection_costs_with_and_without_tls() {
    for tls in [false, true] {
        let arguments = ["bench", "idle", "--connections", "300", "--idle-s", "1", "--json"];
        let report = report(arguments.into_iter().chain(tls.then_some("--tls")));
        assert_eq!(report["connections"], 300, "{report:#}");
        assert_eq!(report["tls"], tls, "{report:#}");
        for figure in ["bytes_per_connection", "bytes_before", "opening_cpu_us", "opened_in_s"] {
            assert!(report[figure].as_f64().unwrap() > 0.0, "{figure}: {report:#}");
        }
        assert!(report["idle_cpu_percent"].as_f64().unwrap() < 100.0, "{report:#}");
    }
}

#[test]
fn bench_send_tells_rate_waits_and_cpu() {
    let arguments = ["bench", "send", "--senders", "4", "--seconds", "1", "--json"];
    let report = report(arguments);
    let figure = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert!(figure("messages") >= 4.0, "{report:#}");
    assert!(figure("wait_ms_p50") <= figure("wait_ms_p99"), "{report:#}");
    assert!(figure("wait_ms_p99") <= figure("wait_ms_max"), "{report:#}");
    assert!(figure("sends_per_second") > 0.0 && figure("cpu_us_per_message") > 0.0, "{report:#}");
}

#[test]
fn bench_media_tells_what_a_gib_costs_over_every_protocol_whoever_makes_the_load() {
    for own_load in [false, true] {
        let arguments = ["bench", "media", "--mib", "8", "--rounds", "1", "--json"];
        let report = report(arguments.into_iter().chain(own_load.then_some("--own-load")));
        let downloads = report["downloads"].as_array().unwrap();
        assert_eq!(downloads.len(), 12, "{report:#}");
        for download in downloads {
            assert!(download["nudge"]["mib_per_second"].as_f64().unwrap() > 0.0, "{report:#}");
        }
        assert_eq!(report["load"] == "this program", own_load, "{report:#}");
        for figure in ["dd_mib_per_second", "of_dd"] {
            assert!(report["upload"][figure].as_f64().unwrap() > 0.0, "{report:#}");
        }
    }
}

/// The whole of it are 200 readers of 1 GiB for 60 s, whose memory must stay below 64 MiB: 320 KiB each.
#[test]
fn p5_slow_readers_take_little_of_the_server_s_memory_whatever_the_protocol() {
    for flags in [&[][..], &["--http2"], &["--tls"], &["--http2", "--tls"]] {
        let arguments = ["bench", "slow-readers", "--readers", "100", "--seconds", "3"];
        let more = ["--mib", "128", "--json"];
        let report = report(arguments.into_iter().chain(more).chain(flags.iter().copied()));
        assert!(report["bytes_read"].as_u64().unwrap() >= 100 * 100 * 1024, "{report:#}");
        let each = report["bytes_each"].as_u64().unwrap();
        assert!(each < 320 * 1024, "{report:#}");
        assert!(each > 16 * 1024, "they were served at all: {report:#}");
    }
}

#[test]
fn bench_bus_tells_how_long_each_kind_takes() {
    let nats = Nats::start().unwrap();
    let (nats, postgres) = (nats.url(), Postgres::shared().database());
    for (carrier, bus) in [("local", None), ("nats", Some(&nats)), ("postgres", Some(&postgres))] {
        let words = ["bench", "bus", "--events", "200", "--json"];
        let url = bus.iter().flat_map(|url| ["--bus", url.as_str()]);
        let report = report(words.into_iter().chain(url));
        assert_eq!((&report["carrier"], &report["events"]), (&json!(carrier), &json!(200)));
        let us = ["p50_us", "p99_us", "max_us"].map(|name| report[name].as_u64().unwrap());
        assert!(us.is_sorted() && us[0] < 10_000_000, "{report:#}");
        eprintln!("{report}");
    }
    let refused = nudge(["bench", "bus", "--bus", "nats://127.0.0.1:1"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("does not come up"), "{said}");
}

#[test]
fn bench_prints_a_table_for_people() {
    let arguments = ["bench", "send", "--senders", "1", "--seconds", "1"];
    let output = nudge(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("server CPU of each"), "{said}");
}

fn report<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Value {
    let output = nudge(arguments).output().unwrap();
    let report = program::json(&output);
    assert!(output.status.success(), "{report:#}");
    report
}
