//! The running service.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use nudge_proto::{CloseCode, frame::GoAway, watch::Watch};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Drain, SignalConfig},
    connection::{Connection, Transport},
    error::SignalError,
    limits::ALARM_TICK,
    listener::{Acceptor, Security, bind},
    node::{Node, now},
    operator,
    telemetry::{self, SignalStats},
    tls::Handshake,
    watch::WatchClient,
};

/// The running service.
///
/// [`Signal::shutdown`] ends it politely; dropping it ends it at once.
#[derive(Debug)]
pub struct Signal {
    node: Arc<Node>,
    drain: Drain,
    tcp_addr: Option<SocketAddr>,
    tls_addr: Option<SocketAddr>,
    private_addr: Option<SocketAddr>,
    acceptors: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    /// Ends the acceptors and the handshakes.
    stop_accepting: CancellationToken,
    /// Ends everything but the connections.
    stop: CancellationToken,
}

impl Signal {
    /// Starts listening, and opens the watch.
    ///
    /// The service stands at once; hellos wait while the watch does not. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`SignalError`] when there is nothing to listen on, or it can't be listened on.
    pub fn start(config: SignalConfig, watch: Arc<dyn Watch>) -> Result<Self, SignalError> {
        if config.tcp.is_none() && config.tls.is_none() {
            return Err(SignalError::NoListener);
        }
        // Before anything counts.
        telemetry::recorder();
        let node = Node::new(&config);
        let mut signal = Self {
            node,
            drain: config.drain,
            tcp_addr: None,
            tls_addr: None,
            private_addr: None,
            acceptors: Vec::new(),
            background: Vec::new(),
            stop_accepting: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        if let Some(listen) = config.tcp {
            let listener = bind(listen, &config.sockets)?;
            signal.tcp_addr = Some(signal.accept(listener, Security::Plain)?);
        }
        if let Some(tls) = config.tls {
            let listener = bind(tls.listen, &config.sockets)?;
            let handshake = Handshake::new(tls.certificates)?;
            let slots = Arc::new(Semaphore::new(config.handshakes_in_flight_max.max(1)));
            signal.tls_addr = Some(signal.accept(listener, Security::Tls { handshake, slots })?);
        }
        if let Some(listen) = config.private {
            let listener = bind(listen, &config.sockets)?;
            signal.private_addr = Some(listener.local_addr().map_err(SignalError::Listener)?);
            let operator = operator::serve(listener, Arc::clone(&signal.node), signal.stop.clone());
            signal.background.push(tokio::spawn(operator));
        }
        let client = WatchClient::new(Arc::clone(&signal.node), watch, signal.stop.clone());
        signal.background.push(tokio::spawn(client.run()));
        let alarms = ring_alarms(Arc::clone(&signal.node), signal.stop.clone());
        signal.background.push(tokio::spawn(alarms));
        Ok(signal)
    }

    /// Where plain TCP is listened on, if it is.
    #[must_use]
    pub const fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp_addr
    }

    /// Where TLS is listened on, if it is.
    #[must_use]
    pub const fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// Where health and metrics are served, if they are.
    #[must_use]
    pub const fn private_addr(&self) -> Option<SocketAddr> {
        self.private_addr
    }

    /// What the service has done since its start.
    #[must_use]
    pub fn stats(&self) -> SignalStats {
        self.node.stats()
    }

    /// What somebody has to look at, although the watch is up.
    #[must_use]
    pub fn watch_warning(&self) -> Option<String> {
        self.node.telemetry.watch_warning()
    }

    /// Why the watch is down, while it is: the node is not ready then.
    #[must_use]
    pub fn watch_trouble(&self) -> Option<String> {
        self.node.telemetry.watch_trouble()
    }

    /// Serves one connection that was accepted elsewhere. It counts like any other.
    pub fn serve(&self, transport: impl Transport) {
        if let Some((place, standing)) = self.node.enter() {
            tokio::spawn(Connection::new(transport, place, standing));
        }
    }

    /// Is not ready any more, and goes on serving: whoever balances looks elsewhere.
    pub fn drain(&self) {
        self.node.drain();
    }

    /// Stops accepting, sends every client away, and returns once nothing of the service is left.
    ///
    /// Takes as long as the configured [`Drain::deadline`] and what a last frame may take.
    pub async fn shutdown(mut self) {
        self.drain();
        self.stop_accepting.cancel();
        finish(&mut self.acceptors).await;
        self.node.send_all_away(GoAway {
            code: CloseCode::Draining,
            reconnect_min_ms: whole_ms(self.drain.reconnect_min),
            reconnect_max_ms: whole_ms(self.drain.reconnect_max),
            address: None,
            deadline_ms: whole_ms(self.drain.deadline),
        });
        self.node.emptied().await;
        self.stop.cancel();
        finish(&mut self.background).await;
    }

    /// Ends everything without a word to any client; its ports are free when this returns.
    pub async fn abort(mut self) {
        self.cancel();
        finish(&mut self.acceptors).await;
        finish(&mut self.background).await;
    }

    fn cancel(&self) {
        self.stop_accepting.cancel();
        self.stop.cancel();
        self.node.registry.for_all(|seat| seat.abort());
    }

    fn accept(
        &mut self,
        listener: TcpListener,
        security: Security,
    ) -> Result<SocketAddr, SignalError> {
        let address = listener.local_addr().map_err(SignalError::Listener)?;
        let node = Arc::clone(&self.node);
        let stop = self.stop_accepting.clone();
        let acceptor = Acceptor { listener, security, node, stop };
        self.acceptors.push(tokio::spawn(acceptor.run()));
        Ok(address)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.cancel();
    }
}

async fn finish(tasks: &mut Vec<JoinHandle<()>>) {
    for task in tasks.drain(..) {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task of the signaling service failed");
        }
    }
}

async fn ring_alarms(node: Arc<Node>, stop: CancellationToken) {
    let mut ticks = interval(ALARM_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => node.ring_alarms(now()),
        }
    }
}

fn whole_ms(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}
