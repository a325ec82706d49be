//! What every bus must do, as checks that any implementation can be held to.
//!
//! [`bus_conformance!`](crate::bus_conformance) makes tests of what holds for all of them,
//! [`remote_bus_conformance!`](crate::remote_bus_conformance) of what a bus between processes must survive. A check
//! never asks for an order, and takes a gap for whatever was lost.

pub mod everywhere;
pub mod outages;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nudge_proto::{DeviceId, UserId};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Bus, BusEvent, BusListener, Heard};

/// What carries buses.
#[async_trait]
pub trait Wire: Send + Sync + 'static {
    /// The end of another process of the store; within one process they are the same.
    async fn join(&self, store_id: Uuid) -> Arc<dyn Bus>;
}

/// What carries buses, and can fail.
#[async_trait]
pub trait Server: Wire {
    /// Ends in order.
    async fn stop(&self);
    /// Ends at once.
    async fn kill(&self);
    /// Is there again.
    async fn start_again(&self);
    /// Keeps its connections, and does nothing any more.
    async fn freeze(&self);
    /// Goes on.
    async fn thaw(&self);
}

/// Makes a test of every check; the argument is an expression for a fresh
/// [`Wire`](crate::bus::conformance::Wire).
#[macro_export]
macro_rules! bus_conformance {
    ($wire:expr) => {
        $crate::bus_conformance! { @tests everywhere $wire;
            every_process_hears_every_kind_of_event,
            p4_the_highest_head_arrives_however_much_is_told,
            p8_everybody_hears_of_a_revocation_behind_a_crowd_of_moves,
            an_event_of_a_thousand_users_arrives_whole,
            p5_a_listener_that_does_not_listen_hears_a_gap,
            what_was_told_before_the_end_is_heard,
        }
    };
    (@tests $room:ident $wire:expr; $($check:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            $crate::bus::conformance::$room::$check(&$wire).await;
        }
    )*};
}

/// Makes a test of every check of outages; the argument is an expression for a fresh
/// [`Server`](crate::bus::conformance::Server).
#[macro_export]
macro_rules! remote_bus_conformance {
    ($server:expr) => {
        $crate::bus_conformance! { @tests outages $server;
            stores_do_not_hear_each_other,
            a_stopped_server_is_come_back_to_and_everybody_hears_a_gap,
            a_killed_server_is_come_back_to_and_everybody_hears_a_gap,
            a_bus_waits_for_a_server_that_is_not_there_yet,
            p5_telling_a_frozen_server_waits_for_nothing_and_keeps_little,
            a_bus_that_is_down_can_be_closed,
            a_bus_on_a_frozen_server_can_be_closed,
        }
    };
}

/// A process of a check.
struct Process {
    bus: Arc<dyn Bus>,
    listener: BusListener,
}

impl Process {
    /// Joins, and waits until it reaches the others.
    async fn join(wire: &dyn Wire, store_id: Uuid) -> Self {
        let mut this = Self::begin(wire, store_id).await;
        this.is_up().await;
        this
    }

    /// Joins, and waits for nothing.
    async fn begin(wire: &dyn Wire, store_id: Uuid) -> Self {
        let bus = wire.join(store_id).await;
        let listener = bus.subscribe();
        Self { bus, listener }
    }

    /// Waits until the bus is up.
    async fn is_up(&mut self) {
        while !self.bus.status().is_up {
            // It tells a gap when it comes up.
            self.hear("the bus comes up").await;
        }
    }

    /// Waits until somebody noticed that the bus is down.
    async fn is_down(&self) -> String {
        let is_down = async {
            loop {
                let status = self.bus.status();
                if let (false, Some(why)) = (status.is_up, status.error) {
                    return why;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, is_down).await.expect("the bus does not notice that it is down")
    }

    async fn hear(&mut self, expected: &str) -> Heard {
        match timeout(PATIENCE, self.listener.hear()).await {
            Ok(Heard::Closed) | Err(_) => panic!("waited for: {expected}; {:?}", self.bus.status()),
            Ok(heard) => heard,
        }
    }

    /// Waits for an event; the rest is passed over.
    async fn hears(&mut self, expected: &BusEvent) {
        let what = format!("{expected:?}");
        while self.hear(&what).await != Heard::Event(expected.clone()) {}
    }

    async fn hears_gap(&mut self) {
        while self.hear("a gap").await != Heard::Gap {}
    }

    /// Waits for an event, or for being told that something was lost.
    async fn hears_or_looks(&mut self, expected: &BusEvent) {
        let what = format!("a gap, or {expected:?}");
        loop {
            match self.hear(&what).await {
                Heard::Event(event) if event == *expected => return,
                Heard::Gap => return,
                Heard::Event(_) | Heard::Closed => {}
            }
        }
    }

    /// Tells something, and waits until it is heard here.
    async fn tells(&mut self, event: &BusEvent) {
        self.bus.publish(event.clone());
        self.hears(event).await;
    }

    async fn close(self) {
        timeout(PATIENCE, self.bus.close()).await.expect("the bus does not close");
    }
}

fn revoked() -> BusEvent {
    BusEvent::Revoked { user_id: UserId::random(), device_id: Some(DeviceId::random()) }
}

/// Far longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(60);
