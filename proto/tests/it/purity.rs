//! What the crate must never have: a runtime, IO, a clock. The watch over gRPC, behind its feature, brings tonic with it.

use std::{fs, path::Path, process::Command};

/// Crates that bring a runtime, sockets or files with them.
const IMPURE: [&str; 12] = [
    "async-std",
    "axum",
    "h2",
    "hyper",
    "mio",
    "quinn",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tonic",
];

/// Ways to the outside that the standard library has.
const WAYS_OUT: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::io",
    "std::process",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime",
];

#[test]
fn the_conversation_is_built_from_nothing_that_does_io() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "nudge-proto", "--features", "openapi", "--edges", "normal"])
        .args(["--prefix", "none", "--offline", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"prost"), "the tree cannot be read: {tree}");
    for impure in IMPURE {
        assert!(!crates.contains(&impure), "the conversation pulls in {impure}");
    }
}

#[test]
fn the_conversation_names_nothing_outside_of_itself() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            for way_out in WAYS_OUT {
                assert!(!text.contains(way_out), "{} names {way_out}", path.display());
            }
        }
    }
    assert!(files > 15, "only {files} files were found");
}
