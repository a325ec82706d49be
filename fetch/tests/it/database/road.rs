//! The road to a server: it can lead to another one, be closed, and lose the answer to a COMMIT.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Debug)]
pub(super) struct Road {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Where it leads; 0 while it is closed.
    port: AtomicU16,
    /// How many answers to COMMIT are still to be lost.
    to_lose: AtomicUsize,
    /// The road is closed with the next that is lost.
    closes: AtomicBool,
    /// How many were lost: what they answered is committed.
    lost: AtomicUsize,
    /// Ends every connection that is open.
    cut: Mutex<CancellationToken>,
}

impl Road {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            port: AtomicU16::new(port),
            to_lose: AtomicUsize::new(0),
            closes: AtomicBool::new(false),
            lost: AtomicUsize::new(0),
            cut: Mutex::default(),
        });
        let road = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cut = shared.cut.lock().unwrap().clone();
                let shared = Arc::clone(&shared);
                tokio::spawn(cut.run_until_cancelled_owned(connect(client, shared)));
            }
        });
        road
    }

    /// The same database, over this road.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address)
    }

    /// Ends what is open; from now on it leads there, and nowhere for 0.
    pub(super) fn lead_to(&self, port: u16) {
        self.shared.port.store(port, Ordering::SeqCst);
        let before = std::mem::take(&mut *self.shared.cut.lock().unwrap());
        before.cancel();
    }

    /// The answer to the next COMMIT is lost, with its connection.
    pub(super) fn lose_commit(&self) {
        self.shared.lost.store(0, Ordering::SeqCst);
        self.shared.to_lose.store(1, Ordering::SeqCst);
    }

    /// The same, and nothing gets through any more.
    pub(super) fn lose_commit_and_close(&self) {
        self.shared.closes.store(true, Ordering::SeqCst);
        self.lose_commit();
    }

    /// Whether an answer was lost.
    pub(super) fn has_lost(&self) -> bool {
        self.shared.lost.load(Ordering::SeqCst) > 0
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    let port = shared.port.load(Ordering::SeqCst);
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let lost = CancellationToken::new();
    tokio::select! {
        () = upward(from_client, to_server, &shared, &lost) => {}
        () = downward(from_server, to_client, &shared, &lost) => {}
    }
}

async fn upward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    lost: &CancellationToken,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_commit = buffer[..length].windows(7).any(|window| window == b"COMMIT\0");
        if is_commit && shared.is_to_be_lost() {
            lost.cancel();
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A lost answer is waited for: the server has committed.
async fn downward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    lost: &CancellationToken,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if lost.is_cancelled() {
            if shared.closes.load(Ordering::SeqCst) {
                shared.port.store(0, Ordering::SeqCst);
            }
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn is_to_be_lost(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        self.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }
}
