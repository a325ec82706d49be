//! The measurements run and tell their figures; how good those are is not for a test on a busy machine.

use serde_json::Value;

use crate::program::{json, nudge};

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
fn bench_prints_a_table_for_people() {
    let arguments = ["bench", "send", "--senders", "1", "--seconds", "1"];
    let output = nudge(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("server CPU of each"), "{said}");
}

fn report<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Value {
    let output = nudge(arguments).output().unwrap();
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    report
}
