//! What the operator of any role may meet.

use std::time::Duration;

/// A node of several goes on serving for this time after it turned unready, unless told otherwise: HAProxy as in
/// `deploy/` asks every second and believes the second refusal, Kubernetes' probes there ask every two.
pub const DRAIN_DELAY: Duration = Duration::from_secs(5);
/// The longest such time.
pub const DRAIN_DELAY_MAX: Duration = Duration::from_secs(300);
