//! Stopping and starting parts, and the end of all.

use std::sync::Arc;

use nudge_fetch::{FetchConfig, FetchParts};
use nudge_server::ServerError;

use super::{Leaks, System, SystemError, leaks, lock};

/// Stopping and starting parts: always on the same data and the same ports.
impl System {
    /// Starts fetch after [`Self::stop_fetch`]; signal finds it by itself.
    ///
    /// # Errors
    ///
    /// [`SystemError`] says what is wrong.
    pub async fn start_fetch(&self) -> Result<(), SystemError> {
        if lock(&self.fetch).is_some() {
            return Err(SystemError::Running("fetch"));
        }
        let mut config = FetchConfig::new(self.data_dir());
        self.builder.change_fetch(&mut config);
        config.data_dir = self.data_dir();
        config.public = self.ports.fetch.address();
        config.private = self.ports.private.address();
        self.guard_watch(&mut config)?;
        let parts = FetchParts {
            clock: self.clock().for_fetch(),
            bus: Some(Arc::new(self.bus.clone())),
            ..FetchParts::default()
        };
        let front = self.front.clone();
        let fetch = self.runtime.run(async move { front.start_fetch(config, parts).await }).await?;
        self.join_in_process(Some(&fetch));
        *lock(&self.fetch) = Some(fetch);
        Ok(())
    }

    /// Stops fetch in an orderly way; nothing happens when it is stopped.
    pub async fn stop_fetch(&self) {
        self.join_in_process(None);
        let fetch = lock(&self.fetch).take();
        if let Some(fetch) = fetch {
            self.runtime.run(fetch.shutdown()).await;
        }
    }

    /// Stops and starts fetch.
    ///
    /// # Errors
    ///
    /// As [`Self::start_fetch`].
    pub async fn restart_fetch(&self) -> Result<(), SystemError> {
        self.stop_fetch().await;
        self.start_fetch().await
    }

    /// Starts signal after [`Self::stop_signal`] or [`Self::abort_signal`].
    ///
    /// # Errors
    ///
    /// [`SystemError`] says what is wrong.
    pub async fn start_signal(&self) -> Result<(), SystemError> {
        if lock(&self.signal).is_some() {
            return Err(SystemError::Running("signal"));
        }
        let (front, watch) = (self.front.clone(), Arc::new(self.watch.clone()));
        let config = self.builder.signal_config();
        let started = async move {
            let (listener, _) = nudge_signal::listen(front.signal).map_err(ServerError::from)?;
            front.start_signal(config, listener, watch)
        };
        let signal = self.runtime.run(started).await?;
        *lock(&self.signal) = Some(signal);
        Ok(())
    }

    /// Stops signal in an orderly way; nothing happens when it is stopped.
    pub async fn stop_signal(&self) {
        let signal = lock(&self.signal).take();
        if let Some(signal) = signal {
            self.runtime.run(signal.shutdown()).await;
        }
    }

    /// Ends signal at once: its clients see their connections end without a word.
    pub async fn abort_signal(&self) {
        let signal = lock(&self.signal).take();
        if let Some(signal) = signal {
            self.runtime.run(signal.abort()).await;
        }
    }

    /// Stops and starts signal.
    ///
    /// # Errors
    ///
    /// As [`Self::start_signal`].
    pub async fn restart_signal(&self) -> Result<(), SystemError> {
        self.stop_signal().await;
        self.start_signal().await
    }

    /// Stops both, then starts both.
    ///
    /// # Errors
    ///
    /// As [`Self::start_fetch`] and [`Self::start_signal`].
    pub async fn restart(&self) -> Result<(), SystemError> {
        self.stop_signal().await;
        self.restart_fetch().await?;
        self.start_signal().await
    }

    /// Stops everything in an orderly way, and looks whether anything is left.
    ///
    /// # Panics
    ///
    /// With a list of what is left: tasks, connections, held sessions, open or staged files, ports.
    pub async fn shutdown(self) {
        if let Err(leaks) = self.try_shutdown().await {
            panic!("{leaks}");
        }
    }

    /// As [`Self::shutdown`], without a panic.
    ///
    /// # Errors
    ///
    /// What is left.
    pub async fn try_shutdown(mut self) -> Result<(), Leaks> {
        self.stop_signal().await;
        let held = leaks::settle(|| match self.held_sessions() {
            0 => Vec::new(),
            held => vec![format!("fetch still holds {held} sessions")],
        });
        let mut left = held.await;
        self.stop_fetch().await;
        let proxies = [self.signal_proxy.take(), self.fetch_proxy.take(), self.watch_proxy.take()];
        for proxy in proxies.into_iter().flatten() {
            proxy.shutdown().await;
        }
        left.extend(
            leaks::settle(|| {
                leaks::of_process(self.runtime(), &self.data_dir(), &self.ports.all())
            })
            .await,
        );
        left.extend(self.runtime.run(leaks::of_data(self.data_dir())).await);
        if left.is_empty() { Ok(()) } else { Err(Leaks(left)) }
    }
}
