use std::process::Command;

use rustix::process::Signal;

use crate::{
    ServerError, programs,
    server::{self, Server},
};

/// A NATS server.
#[derive(Debug)]
pub struct Nats(Server);

impl Nats {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start() -> Result<Self, ServerError> {
        let nats = Self(Server::new("nats-server")?);
        nats.start_again()?;
        Ok(nats)
    }

    /// Starts it on the same port, if it does not run.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut command = Command::new(programs::find("nats-server", "nats-server")?);
        command.args(["-a", "127.0.0.1", "-p", &self.0.port().to_string()]);
        self.0.start(&mut command, || server::listens(self.0.port()))
    }

    /// `nats://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port())
    }

    /// Its port on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Ends it in order.
    pub fn stop(&self) {
        self.0.stop(Signal::TERM);
    }

    /// Ends it by `kill -9`.
    pub fn kill(&self) {
        self.0.stop(Signal::KILL);
    }

    /// It keeps its connections, and does nothing any more.
    pub fn freeze(&self) {
        self.0.signal_all(Signal::STOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.0.signal_all(Signal::CONT);
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// What it has logged since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log()
    }
}
