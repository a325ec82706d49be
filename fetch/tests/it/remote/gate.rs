//! A proxy that can be shut in the middle of a request, and opened long after.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Lets so many bytes to the server, and holds the rest.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes that may still pass.
    left: AtomicU64,
    changed: Notify,
    /// Somebody has more than may pass.
    is_held: AtomicBool,
}

impl Gate {
    /// Open, on a free port of the loopback.
    pub(super) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            left: AtomicU64::new(u64::MAX >> 1),
            changed: Notify::new(),
            is_held: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&accepting)));
            }
        });
        Self { address, state }
    }

    /// Shuts after so many more bytes.
    pub(super) fn shut_after(&self, bytes: u64) {
        self.state.is_held.store(false, Ordering::SeqCst);
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// Until something waits behind it.
    pub(super) async fn holds(&self) {
        while !self.state.is_held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(super) fn open(&self) {
        self.state.left.store(u64::MAX >> 1, Ordering::SeqCst);
        self.state.changed.notify_waiters();
    }
}

async fn carry(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
        let mut rest = &bytes[..length];
        while !rest.is_empty() {
            let mut changed = std::pin::pin!(state.changed.notified());
            changed.as_mut().enable();
            let left = state.left.load(Ordering::SeqCst);
            let pass = rest.len().min(left as usize);
            state.left.fetch_sub(pass as u64, Ordering::SeqCst);
            if to_server.write_all(&rest[..pass]).await.is_err() {
                return;
            }
            rest = &rest[pass..];
            if !rest.is_empty() {
                state.is_held.store(true, Ordering::SeqCst);
                changed.await;
            }
        }
    }
}
