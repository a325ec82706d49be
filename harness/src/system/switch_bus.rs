use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use nudge_fetch::bus::{Bus, BusEvent, BusListener, LocalBus};

/// A bus that can be told to lose everything.
#[derive(Clone, Debug, Default)]
pub struct SwitchBus(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bus: LocalBus,
    is_deaf: AtomicBool,
    lost: AtomicU64,
}

impl SwitchBus {
    /// Loses everything that is told from now on.
    pub fn lose_everything(&self) {
        self.0.is_deaf.store(true, Ordering::SeqCst);
    }

    /// Carries again; what was lost stays lost.
    pub fn restore(&self) {
        self.0.is_deaf.store(false, Ordering::SeqCst);
    }

    /// Events lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::SeqCst)
    }
}

impl Bus for SwitchBus {
    fn publish(&self, event: BusEvent) {
        if self.0.is_deaf.load(Ordering::SeqCst) {
            self.0.lost.fetch_add(1, Ordering::SeqCst);
        } else {
            self.0.bus.publish(event);
        }
    }

    fn subscribe(&self) -> BusListener {
        self.0.bus.subscribe()
    }
}
