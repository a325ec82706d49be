//! What a stopped system may have left behind.

use std::{
    collections::HashSet,
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use nudge_fetch::{FetchConfig, media::collector, objects::LocalObjects, store::UnixMs};
use tokio::{runtime::Handle, time::Instant};

/// What a system left behind when it stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaks(pub Vec<String>);

impl fmt::Display for Leaks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the system stopped and left behind:")?;
        self.0.iter().try_for_each(|leak| write!(formatter, "\n  - {leak}"))
    }
}

impl std::error::Error for Leaks {}

/// What goes by itself goes within this time.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// The kernel tells nobody when a socket or a task is gone: it is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until nothing is left, or what is left does not go.
pub(super) async fn settle(look: impl Fn() -> Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + SETTLE_TIME;
    loop {
        let left = look();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tasks of the runtime, open files below the folder, and the ports' sockets.
pub(super) fn of_process(runtime: &Handle, folder: &Path, ports: &[SocketAddr]) -> Vec<String> {
    let mut left = Vec::new();
    match runtime.metrics().num_alive_tasks() {
        0 => {}
        tasks => left.push(format!("{tasks} tasks that still run")),
    }
    left.extend(open_files(folder).into_iter().map(|file| format!("the open file {file}")));
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    let own = own_sockets();
    left.extend(table.lines().skip(1).filter_map(|line| socket_on(line, ports, &own)));
    left
}

/// The inodes of this process's sockets: a port that was given back may be another program's by now.
fn own_sockets() -> HashSet<String> {
    let targets = descriptors().into_iter();
    let inode = |target: PathBuf| {
        let name = target.to_str()?.strip_prefix("socket:[")?;
        name.strip_suffix(']').map(str::to_owned)
    };
    targets.filter_map(inode).collect()
}

/// What this process has open; nothing where the system does not tell.
fn descriptors() -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// Files of this process below `folder`.
fn open_files(folder: &Path) -> Vec<String> {
    descriptors()
        .into_iter()
        .filter(|target| target.starts_with(folder))
        .map(|target| target.display().to_string())
        .collect()
}

/// A line of `/proc/net/tcp` (proc(5)) that is one of the sockets `own` at one of the ports: a
/// listener, or the server's end of a connection.
fn socket_on(line: &str, ports: &[SocketAddr], own: &HashSet<String>) -> Option<String> {
    const LISTEN: &str = "0A";
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
    let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
    let address = ports.iter().find(|address| address.port() == port)?;
    if !own.contains(inode) {
        // Another program's, or closed already: the kernel only says goodbye to the peer.
        return None;
    }
    match state {
        LISTEN => Some(format!("a listener at {address}")),
        _ => Some(format!("a connection of {address} in the state {state}")),
    }
}

/// What lies in the folder and belongs to nothing.
pub(super) async fn of_data(folder: PathBuf) -> Vec<String> {
    let mut left = half_made(&folder.join("objects"));
    match uncollected(&folder).await {
        Ok(more) => left.extend(more),
        Err(error) => left.push(format!("a database that does not open again: {error}")),
    }
    left
}

/// Names that exist only while a file is being made.
fn half_made(objects: &Path) -> Vec<String> {
    let mut left = Vec::new();
    let uploads = fs::read_dir(objects.join("uploads")).into_iter().flatten().flatten();
    let folders = uploads.map(|upload| upload.path()).chain([objects.to_owned()]);
    for entry in folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("whole.") || name.ends_with(".new") {
            left.push(format!("the half-made file {}", entry.path().display()));
        }
    }
    left
}

async fn uncollected(
    folder: &Path,
) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
    let config = FetchConfig::new(folder.to_owned());
    let store = config.database.open(&config.data_dir).await?;
    let objects = LocalObjects::open(&config.objects_path(), &*store).await?;
    let collected = collector::collect(&*store, &objects, UnixMs(u64::MAX)).await;
    store.close().await;
    let collected = collected?;
    let is_clean = collected == collector::Collected::default();
    Ok((!is_clean).then(|| {
        let collector::Collected { orphans, leftovers, multiparts } = collected;
        format!(
            "{orphans} objects of no medium, {leftovers} leftovers of complete ones, and \
             {multiparts} multipart uploads"
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_counts_while_this_process_has_it() {
        let ports = [SocketAddr::from(([127, 0, 0, 1], 0x1F90))];
        let line = |port: &str, state: &str, inode: &str| {
            format!(
                "   1: 0100007F:{port} 0100007F:9C40 {state} 00000000:00000000 00:00000000 \
                 00000000  1000        0 {inode} 1 0000000000000000 20 4 30 10 -1"
            )
        };
        let own = HashSet::from(["7".to_owned()]);
        assert_eq!(
            socket_on(&line("1F90", "0A", "7"), &ports, &own),
            Some("a listener at 127.0.0.1:8080".to_owned())
        );
        assert!(socket_on(&line("1F90", "01", "7"), &ports, &own).is_some());
        assert_eq!(socket_on(&line("1F90", "01", "8"), &ports, &own), None);
        assert_eq!(socket_on(&line("1F90", "06", "0"), &ports, &own), None);
        assert_eq!(socket_on(&line("1F91", "01", "7"), &ports, &own), None);
    }
}
