//! The shape of the workspace, checked: which crate may depend on which, and how large a file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which of the workspace's crates each may use outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("nudge-proto", &[]),
    ("nudge-trace", &["nudge-proto"]),
    ("nudge-signal", &["nudge-proto", "nudge-trace"]),
    ("nudge-fetch", &["nudge-proto", "nudge-trace"]),
    ("nudge-server", &["nudge-proto", "nudge-signal", "nudge-fetch"]),
    ("nudge-client-sdk", &["nudge-proto"]),
    ("nudge-test-servers", &[]),
    (
        "nudge-harness",
        &[
            "nudge-proto",
            "nudge-signal",
            "nudge-fetch",
            "nudge-server",
            "nudge-client-sdk",
            "nudge-test-servers",
        ],
    ),
    (
        "nudge",
        &[
            "nudge-proto",
            "nudge-trace",
            "nudge-signal",
            "nudge-fetch",
            "nudge-server",
            "nudge-client-sdk",
        ],
    ),
];

/// Which crates alone may name an outside one, tests included.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("sqlx", &["nudge-fetch", "nudge-client-sdk"]),
    ("object_store", &["nudge-fetch"]),
    ("async-nats", &["nudge-fetch"]),
    ("tonic", &["nudge-proto", "nudge-fetch", "nudge-signal"]),
    ("axum", &["nudge-fetch", "nudge-signal"]),
    ("opentelemetry", &["nudge-trace"]),
    ("opentelemetry_sdk", &["nudge-trace"]),
    ("tracing-opentelemetry", &["nudge-trace"]),
    ("openssl", &[]),
];

/// A file that is longer wants to be two.
const SOURCE_LINES_MAX: usize = 500;

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let workspace: BTreeSet<_> = allowed.keys().copied().collect();
    for (package, dependencies) in direct_dependencies() {
        let Some(allowed) = allowed.get(package.as_str()) else {
            panic!("{package} has no line in ARROWS: say what it may depend on");
        };
        for dependency in dependencies.iter().filter(|dependency| dependency.kind != Kind::Test) {
            let name = dependency.name.as_str();
            assert!(
                !workspace.contains(name) || allowed.contains(&name),
                "{package} must not depend on {name}"
            );
        }
    }
}

#[test]
fn each_outside_crate_stays_in_its_room() {
    for (package, dependencies) in direct_dependencies() {
        for (outside, rooms) in WRAPPERS {
            let used = dependencies.iter().any(|dependency| dependency.name == *outside);
            assert!(
                !used || rooms.contains(&package.as_str()),
                "{package} must not use {outside}: only {rooms:?} may"
            );
        }
    }
}

#[test]
fn the_sdk_never_pulls_in_the_server() {
    let tree =
        cargo(&["tree", "--package", "nudge-client-sdk", "--edges", "normal", "--prefix", "none"]);
    for server in [
        "axum",
        "tonic",
        "object_store",
        "nudge-fetch",
        "nudge-signal",
        "nudge-server",
        "nudge-trace",
        "openssl",
    ] {
        let found = tree.lines().any(|line| line.split(' ').next() == Some(server));
        assert!(!found, "the SDK pulls in {server}");
    }
}

#[test]
fn no_source_file_ate_everything() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "src",
        "proto/src",
        "trace/src",
        "signal/src",
        "fetch/src",
        "server/src",
        "client-sdk/src",
        "harness/src",
        "harness/servers/src",
    ] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "only {} source files were found", files.len());
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= SOURCE_LINES_MAX,
            "{} has {lines} lines: split it by meaning",
            file.display()
        );
    }
}

#[derive(PartialEq)]
enum Kind {
    Normal,
    Test,
}

struct Dependency {
    name: String,
    kind: Kind,
}

/// Every workspace package with what its Cargo.toml names.
fn direct_dependencies() -> Vec<(String, Vec<Dependency>)> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (text(&package["name"]), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> Vec<Dependency> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .map(|dependency| Dependency {
            name: text(&dependency["name"]),
            kind: if dependency["kind"] == "dev" { Kind::Test } else { Kind::Normal },
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            files.push(path);
        }
    }
}
