//! A child process that comes and goes, on one port and one folder.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    ServerError,
    keeper::{self, Keeper},
};

/// A server's process, or its place.
#[derive(Debug)]
pub(crate) struct Server {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    child: Mutex<Option<Child>>,
    keeper: Keeper,
}

impl Server {
    /// A place with a folder and a port, and nothing that runs yet.
    pub(crate) fn new(program: &'static str) -> Result<Self, ServerError> {
        let folder = keeper::folder(program)?;
        let keeper = Keeper::start(&folder)?;
        Ok(Self { program, folder, port: free_port()?, child: Mutex::default(), keeper })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, and waits until `is_ready`. One that runs already goes on.
    pub(crate) fn start(
        &self,
        command: &mut Command,
        is_ready: impl Fn() -> bool,
    ) -> Result<(), ServerError> {
        let mut child = self.child();
        if child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.log_path());
        let log = log.map_err(ServerError::io("open a log"))?;
        let errors = log.try_clone().map_err(ServerError::io("open a log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut started =
            command.spawn().map_err(ServerError::io(format!("start {}", self.program)))?;
        self.keeper.keep(Some(started.id()));
        let begun = Instant::now();
        loop {
            if is_ready() {
                *child = Some(started);
                return Ok(());
            }
            let is_gone = !matches!(started.try_wait(), Ok(None));
            if is_gone || begun.elapsed() > READY_TIMEOUT {
                let _ = started.kill();
                let _ = started.wait();
                self.keeper.keep(None);
                return Err(ServerError::NotReady {
                    program: self.program,
                    waited: begun.elapsed(),
                    log: self.log_path(),
                    output: self.log(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it by a signal, and waits until it is gone; nothing happens when it does not run.
    pub(crate) fn stop(&self, signal: Signal) {
        let mut child = self.child();
        let Some(mut running) = child.take() else {
            return;
        };
        send(running.id(), signal);
        // One that is frozen would never hear of it.
        send(running.id(), Signal::CONT);
        let _ = running.wait();
        self.keeper.keep(None);
    }

    /// Sends a signal to it and to every process that it started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        if let Some(child) = self.child().as_ref() {
            for pid in [child.id()].into_iter().chain(children(child.id())) {
                send(pid, signal);
            }
        }
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.child().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// What it has printed since its first start.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Signal::KILL);
    }
}

/// Whether somebody listens.
pub(crate) fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// A port below those that the system gives to clients, so that none of them takes it while the server is away.
fn free_port() -> Result<u16, ServerError> {
    let tries = (0..1000).map(|_| 12_000 + random() % 18_000);
    for port in tries {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ServerError::io("find a free port"))
}

/// As random as the seed of a hash map.
fn random() -> u16 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as u16
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may be gone by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent(*id) == Some(pid)).collect()
}

/// The fourth field of `/proc/PID/stat`, two behind the name in brackets.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// A server must answer within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
