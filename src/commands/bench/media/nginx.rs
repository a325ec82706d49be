//! The yardstick: nginx, serving the same files.

use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{super::gauge::Gauge, case::Protocol};
use crate::failure::Failure;

/// It must be ready, and gone, within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where programs lie that not everybody runs.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// How it sends files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sendfile {
    On,
    Off,
}

/// A running nginx with one worker; killed when dropped.
pub(super) struct Nginx {
    child: Child,
    worker: u32,
    version: String,
    /// Of HTTP/1.1, of HTTP/2 without TLS, and of TLS: with sendfile and without.
    ports: [[u16; 3]; 2],
    _folder: TempDir,
}

impl Nginx {
    /// Starts it over a folder of files; `None` where it is not installed.
    pub(super) async fn start(files: &Path, certificate: &Path) -> Result<Option<Self>, Failure> {
        let Some(program) = find() else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let ports = [free_ports()?, free_ports()?];
        let path = folder.path().join("nginx.conf");
        fs::write(&path, configuration(folder.path(), files, certificate, ports))?;
        let version = Command::new(&program).arg("-v").output().await?;
        let version = String::from_utf8_lossy(&version.stderr);
        let version = version.trim().trim_start_matches("nginx version: ").to_owned();
        let child = Command::new(&program)
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let master = child.id().ok_or_else(|| Failure::new("nginx ended at once"))?;
        let ready = timeout(PATIENCE, ready(master, ports[0][0])).await;
        let Ok(worker) = ready else {
            let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
            return Err(Failure::new(format!("nginx did not start: {log}")));
        };
        Ok(Some(Self { child, worker, version, ports, _folder: folder }))
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn url(&self, protocol: Protocol, sendfile: Sendfile, file: &str) -> String {
        let ports = self.ports[usize::from(sendfile == Sendfile::Off)];
        let (scheme, port) = match protocol {
            Protocol::Http1 => ("http", ports[0]),
            Protocol::Http2 => ("http", ports[1]),
            Protocol::Http1Tls | Protocol::Http2Tls => ("https", ports[2]),
        };
        format!("{scheme}://127.0.0.1:{port}/{file}")
    }

    /// Looks at the worker, which does all the work.
    pub(super) const fn gauge(&self) -> Gauge {
        Gauge::of(self.worker)
    }

    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
        }
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.map_err(|_| Failure::new("nginx did not stop in time"))??;
        Ok(())
    }
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    places.map(|place| place.join("nginx")).find(|program| program.is_file())
}

/// Ports that nobody listens on, all at once so that they differ.
fn free_ports() -> io::Result<[u16; 3]> {
    let bind = || TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listeners = [bind()?, bind()?, bind()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Waits until it listens; its worker.
async fn ready(master: u32, port: u16) -> u32 {
    loop {
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        let worker = children.ok().and_then(|pids| pids.split_whitespace().next()?.parse().ok());
        if let Some(worker) = worker
            && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok()
        {
            return worker;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// As it comes, with one worker; no log of requests, connections as long as ours.
fn configuration(folder: &Path, files: &Path, certificate: &Path, ports: [[u16; 3]; 2]) -> String {
    let server = |sendfile: &str, [http1, http2, tls]: [u16; 3]| {
        format!(
            "server {{
                listen 127.0.0.1:{http1};
                listen 127.0.0.1:{http2} http2;
                listen 127.0.0.1:{tls} ssl http2;
                ssl_certificate {certificate};
                ssl_certificate_key {key};
                ssl_protocols TLSv1.3;
                sendfile {sendfile};
                root {files};
            }}",
            certificate = certificate.display(),
            key = certificate.with_extension("key").display(),
            files = files.display(),
        )
    };
    let folder = folder.display();
    // Without root's rights the line is not allowed to matter.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user} daemon off; worker_processes 1; pid {folder}/nginx.pid;
        events {{ worker_connections 1024; }}
        http {{
            access_log off;
            tcp_nopush on;
            keepalive_requests 1000000;
            default_type application/octet-stream;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            {} {}
        }}",
        server("on", ports[0]),
        server("off", ports[1]),
    )
}
