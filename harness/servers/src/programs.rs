//! Where the programs are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::ServerError;

/// Finds a program on the path, or where the distribution keeps servers that are not for everybody.
pub(crate) fn find(program: &'static str, package: &'static str) -> Result<PathBuf, ServerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = postgres_folders().into_iter().chain(env::split_paths(&path));
    folders
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or(ServerError::Missing { program, package })
}

/// Debian's places for Postgres, the newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut folders: Vec<_> = versions.flatten().map(|version| version.path()).collect();
    let number = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or(0)
    };
    folders.sort_by_key(|path| std::cmp::Reverse(number(path)));
    folders.into_iter().map(|folder| folder.join("bin")).collect()
}

/// A program of this crate, built if need be.
pub(crate) fn own(program: &'static str) -> Result<PathBuf, ServerError> {
    let what = || ServerError::io(format!("find {program}"));
    let this = env::current_exe().map_err(what())?;
    // Programs lie beside each other, tests one folder deeper.
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join(program));
    if let Some(path) = beside.into_iter().find(|path| path.is_file()) {
        return Ok(path);
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let target = this.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--bin", program, "--manifest-path"]).arg(manifest);
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    run(&mut cargo)?;
    let target = target.map_or_else(|| PathBuf::from("target"), Path::to_owned);
    Ok(target.join("debug").join(program))
}

/// Runs a program to its end, and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String, ServerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(ServerError::io(format!("run {program}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let output = text(&output.stdout) + &text(&output.stderr);
    Err(ServerError::Failed { program, output })
}
