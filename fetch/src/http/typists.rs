use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use nudge_proto::DeviceId;

use crate::store::UnixMs;

/// Who said in this second that he is typing: saying it again tells nobody anything.
#[derive(Debug, Default)]
pub struct Typists(Mutex<(u64, HashSet<DeviceId>)>);

impl Typists {
    /// Whether the device says it for the first time in this second.
    pub fn note(&self, device_id: DeviceId, now: UnixMs) -> bool {
        let mut typists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, devices) = &mut *typists;
        if *second != now.0 / 1000 {
            *second = now.0 / 1000;
            devices.clear();
        }
        devices.insert(device_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p5_a_device_is_heard_once_a_second() {
        let (typists, one, other) = (Typists::default(), DeviceId::random(), DeviceId::random());
        let note = |device, ms| typists.note(device, UnixMs(ms));
        assert!(note(one, 1000) && note(other, 1001));
        assert!(!note(one, 1002) && !note(one, 1999));
        assert!(note(one, 2000) && !note(one, 2001) && note(other, 2001));
    }
}
