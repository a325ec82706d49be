//! What this node depends on, and how each is asked.

use std::sync::Arc;

use futures::FutureExt;

use crate::{
    auth::Auth,
    bus::{Bus, BusStatus},
    health::{Health, Need, Question},
    limits::KEYS_STALE,
    objects::Objects,
    store::{
        Store,
        postgres::{Failover, NO_STANDBY},
    },
    watch::WatchHub,
};

/// Without the store nothing is answered. Without objects media wait; without the bus other nodes' news
/// takes a heartbeat; with old keys everything works until they retire.
pub(crate) fn health(
    store: &Arc<dyn Store>,
    objects: &Arc<dyn Objects>,
    bus: &Arc<dyn Bus>,
    auth: &Arc<Auth>,
    hub: &Arc<WatchHub>,
    failover: Failover,
) -> Health {
    let health = Health::default()
        .with("store", Need::Required, ask_store(Arc::clone(store)))
        .with("objects", Need::Helpful, ask_objects(Arc::clone(objects)))
        .with("bus", Need::Helpful, ask_bus(Arc::clone(bus)))
        .with("keys", Need::Helpful, ask_keys(Arc::clone(auth)))
        .with("watch", Need::Helpful, ask_watch(Arc::clone(hub)));
    match failover {
        Failover::Epoch => health,
        Failover::Synchronous => {
            health.with("standby", Need::Helpful, ask_standby(Arc::clone(store)))
        }
    }
}

fn ask_standby(store: Arc<dyn Store>) -> Question {
    Arc::new(move || {
        let store = Arc::clone(&store);
        async move {
            match store.reaches_standby().await {
                Ok(true) => Ok(well()),
                Ok(false) => Err(NO_STANDBY.to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    })
}

fn ask_store(store: Arc<dyn Store>) -> Question {
    Arc::new(move || {
        let store = Arc::clone(&store);
        async move { store.ping().await.map(|()| well()).map_err(|error| error.to_string()) }
            .boxed()
    })
}

fn ask_objects(objects: Arc<dyn Objects>) -> Question {
    Arc::new(move || {
        let objects = Arc::clone(&objects);
        async move { objects.ping().await.map(|()| well()).map_err(|error| error.to_string()) }
            .boxed()
    })
}

fn ask_bus(bus: Arc<dyn Bus>) -> Question {
    Arc::new(move || {
        let BusStatus { carrier, is_up, error, .. } = bus.status();
        let down = || error.unwrap_or_else(|| format!("{carrier} is not reached yet"));
        let answer = if is_up { Ok(carrier.to_owned()) } else { Err(down()) };
        async { answer }.boxed()
    })
}

fn ask_keys(auth: Arc<Auth>) -> Question {
    Arc::new(move || {
        let minutes = auth.keys_age().as_secs() / 60;
        let answer = match auth.keys_age() {
            age if age > KEYS_STALE => Err(format!("last read {minutes} minutes ago")),
            _ => Ok(well()),
        };
        async { answer }.boxed()
    })
}

fn ask_watch(hub: Arc<WatchHub>) -> Question {
    Arc::new(move || {
        let (streams, sessions) = (hub.streams(), hub.held_sessions());
        async move { Ok(format!("{sessions} sessions on {streams} streams")) }.boxed()
    })
}

fn well() -> String {
    "ok".to_owned()
}
