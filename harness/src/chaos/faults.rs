//! What is done to the cluster.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use nudge_test_servers::ServerError;
use tokio::{
    sync::Mutex,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    ChaosConfig, Fault,
    plan::{Plan, Step},
};
use crate::{
    Cluster,
    cluster::{ClusterError, Node},
};

/// How often each fault happened.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// Faults that go on until they are stopped.
#[derive(Debug)]
pub(super) struct Faults {
    task: Option<JoinHandle<Result<(), ClusterError>>>,
    stop: CancellationToken,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cluster: Arc<Cluster>,
    counts: StdMutex<Counts>,
    /// One outage at a time for each of these; a node has a lock of its own.
    database: Mutex<()>,
    bus: Mutex<()>,
    objects: Mutex<()>,
    clients: Mutex<()>,
}

impl Faults {
    pub(super) fn start(cluster: Arc<Cluster>, config: &ChaosConfig) -> Self {
        let shared = Arc::new(Shared {
            cluster,
            counts: StdMutex::default(),
            database: Mutex::default(),
            bus: Mutex::default(),
            objects: Mutex::default(),
            clients: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Arc::clone(&shared), Plan::new(config), stop.clone()));
        Self { task: Some(task), stop, shared }
    }

    /// Begins no more, and returns once every part is back.
    pub(super) async fn stop(&mut self) -> Result<(), ClusterError> {
        self.stop.cancel();
        match self.task.take() {
            Some(task) => task.await?,
            None => Ok(()),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Begins one fault after the other; outages of different parts overlap.
async fn run(shared: Arc<Shared>, plan: Plan, stop: CancellationToken) -> Result<(), ClusterError> {
    let mut outages = JoinSet::new();
    for step in plan {
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(step.pause) => {}
        }
        let shared = Arc::clone(&shared);
        outages.spawn(async move { shared.outage(step).await });
        while let Some(ended) = outages.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = outages.join_next().await {
        ended??;
    }
    Ok(())
}

impl Shared {
    /// Does it, waits, and takes it back. A part that is away already is left alone.
    async fn outage(&self, step: Step) -> Result<(), ClusterError> {
        let Step { fault, node, outage, .. } = step;
        match fault {
            Fault::KillFetch | Fault::DrainFetch | Fault::FreezeFetch => {
                self.node_outage(fault, self.cluster.fetch(), node, outage).await
            }
            Fault::KillSignal | Fault::DrainSignal | Fault::FreezeSignal => {
                self.node_outage(fault, self.cluster.signal(), node, outage).await
            }
            Fault::StopBus => {
                self.server_outage(&self.bus, fault, outage, stop_bus, start_bus).await
            }
            Fault::CrashDatabase => {
                let crash = |cluster: &Cluster| cluster.postgres().stop_immediate();
                let start = |cluster: &Cluster| cluster.postgres().start_again();
                self.server_outage(&self.database, fault, outage, crash, start).await
            }
            Fault::StopObjects => {
                // Killed within the completion of an upload, this server would lose it; a real one would not.
                let stop = |cluster: &Cluster| cluster.objects().stop();
                let start = |cluster: &Cluster| cluster.objects().start_again();
                self.server_outage(&self.objects, fault, outage, stop, start).await
            }
            Fault::CutClients | Fault::FreezeClients => {
                self.line_outage(fault, outage).await;
                Ok(())
            }
        }
    }

    async fn node_outage(
        &self,
        fault: Fault,
        nodes: &[Mutex<Node>],
        node: usize,
        outage: Duration,
    ) -> Result<(), ClusterError> {
        let Ok(mut node) = nodes[node % nodes.len()].try_lock() else { return Ok(()) };
        self.count(fault);
        if matches!(fault, Fault::FreezeFetch | Fault::FreezeSignal) {
            node.freeze()?;
            sleep(outage).await;
            return node.thaw();
        }
        if matches!(fault, Fault::DrainFetch | Fault::DrainSignal) {
            node.terminate().await?;
        } else {
            node.kill().await?;
        }
        sleep(outage).await;
        supervise(&mut node).await
    }

    async fn server_outage(
        &self,
        part: &Mutex<()>,
        fault: Fault,
        outage: Duration,
        stop: impl Fn(&Cluster) + Send + 'static,
        start: impl Fn(&Cluster) -> Result<(), ServerError> + Send + 'static,
    ) -> Result<(), ClusterError> {
        let Ok(_turn) = part.try_lock() else { return Ok(()) };
        self.count(fault);
        let cluster = Arc::clone(&self.cluster);
        blocking(move || {
            stop(&cluster);
            Ok(())
        })
        .await?;
        sleep(outage).await;
        let cluster = Arc::clone(&self.cluster);
        blocking(move || start(&cluster)).await
    }

    async fn line_outage(&self, fault: Fault, outage: Duration) {
        let Ok(_turn) = self.clients.try_lock() else { return };
        self.count(fault);
        let fronts = [self.cluster.api_front(), self.cluster.signal_front()];
        if fault == Fault::CutClients {
            fronts.iter().for_each(|front| front.cut());
            return;
        }
        fronts.iter().for_each(|front| front.black_hole());
        sleep(outage).await;
        fronts.iter().for_each(|front| front.restore());
    }

    fn count(&self, fault: Fault) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(fault.name()).or_default() += 1;
    }
}

fn stop_bus(cluster: &Cluster) {
    if let Some(nats) = cluster.nats() {
        nats.stop();
    }
}

fn start_bus(cluster: &Cluster) -> Result<(), ServerError> {
    cluster.nats().map_or(Ok(()), nudge_test_servers::Nats::start_again)
}

/// Starts a node until it is ready, as whatever keeps services running does: its database may be away, too.
async fn supervise(node: &mut Node) -> Result<(), ClusterError> {
    let deadline = Instant::now() + RESTART_TIME;
    loop {
        match node.restart().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => sleep(RESTART_PAUSE).await,
        }
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<(), ServerError> + Send + 'static,
) -> Result<(), ClusterError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// A node that does not come back within this time is broken.
const RESTART_TIME: Duration = Duration::from_secs(60);
const RESTART_PAUSE: Duration = Duration::from_millis(500);
