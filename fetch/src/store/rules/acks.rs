use nudge_proto::{Epoch, InboxSeq};

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
