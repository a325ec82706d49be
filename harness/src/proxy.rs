//! A TCP proxy that misbehaves on demand, and may spread connections over several targets.
//!
//! Faults can be changed at any time and act on the connections that stand already.

mod line;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use line::Ending;
pub use line::Line;

/// A listener on the loopback that carries every connection to a target, through two [`Line`]s.
///
/// Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    targets: Mutex<Vec<SocketAddr>>,
    to_server: Line,
    to_client: Line,
    refusing: AtomicBool,
    accepted: AtomicU64,
    /// Counts the calls of [`FaultProxy::cut`]; each closes the connections that stand.
    cuts: watch::Sender<u64>,
}

impl FaultProxy {
    /// Listens on a free port of the loopback, in front of `target`, without any fault.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::balance([target]).await
    }

    /// The same in front of several targets: each connection goes to one at random, and to another one when
    /// nobody listens there.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn balance(targets: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shared = Arc::new(Shared {
            targets: Mutex::new(targets.into_iter().collect()),
            to_server: Line::default(),
            to_client: Line::default(),
            refusing: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
        });
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let address = listener.local_addr()?;
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone(), stop.clone()));
        Ok(Self { address, shared, tasks, _stop_on_drop: stop.drop_guard() })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What flows from clients to the server.
    #[must_use]
    pub fn to_server(&self) -> &Line {
        &self.shared.to_server
    }

    /// What flows from the server to clients.
    #[must_use]
    pub fn to_client(&self) -> &Line {
        &self.shared.to_client
    }

    /// Carries new connections to this target alone, for a server that came back elsewhere.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.set_targets(vec![target]);
    }

    /// Closes every connection that stands, in the middle of whatever it carries.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes every connection, and resets new ones as soon as they are made.
    pub fn refuse(&self) {
        self.shared.refusing.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Carries nothing any more in either direction, while connections stay and new ones are taken:
    /// the peer that vanished without a word.
    pub fn black_hole(&self) {
        self.shared.to_server.freeze();
        self.shared.to_client.freeze();
    }

    /// Takes every fault away; what a frozen line held back flows again.
    pub fn restore(&self) {
        self.shared.refusing.store(false, Ordering::SeqCst);
        self.shared.to_server.restore();
        self.shared.to_client.restore();
    }

    /// Closes the listener and all connections, and returns once they are gone.
    pub async fn shutdown(self) {
        let Self { tasks, _stop_on_drop: stop, .. } = self;
        drop(stop);
        tasks.close();
        tasks.wait().await;
    }

    /// Connections taken so far, refused ones included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections that stand now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        // One of the tasks is the listener's.
        self.tasks.len().saturating_sub(1)
    }
}

impl Shared {
    fn set_targets(&self, targets: Vec<SocketAddr>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// The first target that takes a connection.
    async fn connect(&self) -> Option<TcpStream> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fastrand::shuffle(&mut targets);
        for target in targets {
            if let Ok(stream) = TcpStream::connect(target).await {
                return Some(stream);
            }
        }
        None
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((client, _)) = accepted else { continue };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        // Subscribed before the look at `refusing`: one of the two always notices a refusal.
        let cuts = shared.cuts.subscribe();
        if shared.refusing.load(Ordering::SeqCst) {
            reset(client);
            continue;
        }
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = carry(client, &shared, cuts) => (),
                () = stop.cancelled() => (),
            }
        });
    }
}

/// Carries one connection until both directions ended, or either was cut.
async fn carry(client: TcpStream, shared: &Shared, mut cuts: watch::Receiver<u64>) {
    let Some(server) = shared.connect().await else {
        return reset(client);
    };
    // A proxy that gathers small writes would hide how a peer really sends.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let upward = shared.to_server.carry(from_client, to_server);
    let downward = shared.to_client.carry(from_server, to_client);
    tokio::pin!(upward, downward);
    let (mut upward_open, mut downward_open) = (true, true);
    while upward_open || downward_open {
        tokio::select! {
            ending = &mut upward, if upward_open => match ending {
                Ending::Closed => upward_open = false,
                Ending::Cut => return,
            },
            ending = &mut downward, if downward_open => match ending {
                Ending::Closed => downward_open = false,
                Ending::Cut => return,
            },
            _ = cuts.changed() => return,
        }
    }
}

/// Closes a connection so that its peer sees an error and not an end.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}
