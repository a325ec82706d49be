use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture};
use nudge_proto::watch::{DownStream, UpStream, Watch, WatchError};
use tokio::sync::watch;

/// The watch as signal sees it: whichever content service stands behind it at the time, or none.
#[derive(Clone, Debug)]
pub(super) struct SwitchWatch(Arc<watch::Sender<Option<Arc<dyn Watch>>>>);

impl SwitchWatch {
    pub(super) fn down() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Leads to this from now on; streams to what was there before break.
    pub(super) fn lead_to(&self, target: Option<Arc<dyn Watch>>) {
        self.0.send_replace(target);
    }
}

impl Watch for SwitchWatch {
    fn open(&self, up: UpStream) -> BoxFuture<'_, Result<DownStream, WatchError>> {
        let mut switch = self.0.subscribe();
        let target = switch.borrow_and_update().clone();
        async move {
            let Some(target) = target else {
                return Err(WatchError::Unavailable("the test took it away".to_owned()));
            };
            let switched = async move {
                let _ = switch.changed().await;
            };
            let switched = switched.shared();
            let up = up.take_until(switched.clone()).boxed();
            Ok(target.open(up).await?.take_until(switched).boxed())
        }
        .boxed()
    }
}
