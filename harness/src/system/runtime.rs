use std::{fmt, io, net::SocketAddr};

use tokio::runtime::{Builder, Runtime};

use crate::FaultProxy;

/// The services' runtime; ends without waiting, which a runtime within another must.
pub(super) struct OwnRuntime(pub(super) Option<Runtime>);

impl OwnRuntime {
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("nudge-system").enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let Some(runtime) = &self.0 else {
            unreachable!("the runtime lives as long as its system")
        };
        match runtime.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => unreachable!("nobody aborts this: {error}"),
            },
        }
    }

    pub(super) async fn proxy(
        &self,
        wanted: bool,
        target: SocketAddr,
    ) -> io::Result<Option<FaultProxy>> {
        if !wanted {
            return Ok(None);
        }
        self.run(FaultProxy::start(target)).await.map(Some)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for OwnRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OwnRuntime")
    }
}
