use std::collections::HashMap;

use nudge_proto::{DeviceId, Epoch, InboxSeq, UserId};

use crate::store::{Ack, AckVerdict, StoreError};

/// A device as it stands when it acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMark {
    /// What it acknowledged before.
    pub acked: InboxSeq,
    /// Its user's head.
    pub head: InboxSeq,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What names a device.
pub type DeviceKey = (UserId, DeviceId);

/// Judges acks in their order; a verdict for each, and from where to where each device's mark moves.
/// `devices` are those that are there.
#[must_use]
pub fn judge_acks(
    acks: &[Ack],
    epoch: Epoch,
    mut devices: HashMap<DeviceKey, DeviceMark>,
) -> (Vec<AckVerdict>, HashMap<DeviceKey, (InboxSeq, InboxSeq)>) {
    let mut moved: HashMap<DeviceKey, (InboxSeq, InboxSeq)> = HashMap::new();
    let mut judge = |ack: &Ack| {
        let key = (ack.user_id, ack.device_id);
        let device = devices.get_mut(&key);
        let before = judge_ack(ack, epoch, device.as_deref())?;
        if ack.cursor.seq > before
            && let Some(device) = device
        {
            moved.entry(key).or_insert((before, ack.cursor.seq)).1 = ack.cursor.seq;
            device.acked = ack.cursor.seq;
        }
        Ok(before)
    };
    let verdicts = acks.iter().map(&mut judge).collect();
    (verdicts, moved)
}

/// Judges an ack; the device's mark before it, which a higher cursor moves. `device` is `None` for an
/// unknown one.
///
/// # Errors
///
/// Acks of another epoch, above the head, or of a revoked device are refused, never applied.
pub fn judge_ack(ack: &Ack, epoch: Epoch, device: Option<&DeviceMark>) -> AckVerdict {
    if ack.cursor.epoch != epoch {
        return Err(StoreError::EpochMismatch { given: ack.cursor.epoch.0, current: epoch.0 });
    }
    let device = device.filter(|device| !device.revoked).ok_or(StoreError::DeviceRevoked)?;
    if ack.cursor.seq > device.head {
        return Err(StoreError::CursorAhead { given: ack.cursor.seq.0, head: device.head.0 });
    }
    Ok(device.acked)
}
