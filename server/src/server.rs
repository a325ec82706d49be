use nudge_fetch::{Fetch, FetchConfig, FetchParts};
use nudge_signal::{Signal, SignalConfig};

use crate::{Front, ServerError};

/// What the server is told at its start.
#[derive(Debug)]
pub struct ServerConfig {
    /// What both services share.
    pub front: Front,
    /// The content service's own settings.
    pub fetch: FetchConfig,
    /// The signaling service's own settings; its listeners and its heartbeat come from the others.
    pub signal: SignalConfig,
}

/// Both services, running.
#[derive(Debug)]
pub struct Server {
    front: Front,
    fetch: Fetch,
    signal: Signal,
}

impl Server {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is wrong; nothing is left running then.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let ServerConfig { mut front, fetch, mut signal } = config;
        // Signal's port must be known before fetch tells it to clients.
        let (listener, address) = nudge_signal::listen(front.signal)?;
        front.signal = address;
        signal.heartbeat_default = fetch.heartbeat;
        let fetch = front.start_fetch(fetch, FetchParts::default()).await?;
        match front.start_signal(signal, listener, fetch.watch()) {
            Ok(signal) => Ok(Self { front, fetch, signal }),
            Err(error) => {
                fetch.shutdown().await;
                Err(error)
            }
        }
    }

    /// The one URL that an app needs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.front.scheme(), self.fetch.public_addr())
    }

    /// The content service.
    #[must_use]
    pub const fn fetch(&self) -> &Fetch {
        &self.fetch
    }

    /// The signaling service.
    #[must_use]
    pub const fn signal(&self) -> &Signal {
        &self.signal
    }

    /// What both share, with the ports that were given.
    #[must_use]
    pub const fn front(&self) -> &Front {
        &self.front
    }

    /// Is not ready any more, and goes on serving.
    pub fn drain(&self) {
        self.signal.drain();
        self.fetch.drain();
    }

    /// Sends the clients away, finishes what was begun, and stops.
    pub async fn shutdown(self) {
        self.signal.shutdown().await;
        self.fetch.shutdown().await;
    }
}
