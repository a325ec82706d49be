//! How signal and fetch are joined: by calls, or by gRPC as two processes would be.

use std::{sync::Arc, time::Duration};

use nudge_fetch::{Fetch, FetchConfig, private_tls};
use nudge_proto::watch::{InvalidWatchSecret, WatchSecret};
use nudge_signal::{GrpcWatch, GrpcWatchConfig, InvalidFetchUrl, watch_tls};

use super::{System, SystemError, builder::Join, lock};
use crate::FaultProxy;

/// What signal shows to fetch in every system that is joined by gRPC.
const SECRET: &str = "the-secret-of-every-system-of-the-harness";

impl System {
    /// Takes the watch away from signal, although fetch runs.
    pub fn cut_watch(&self) {
        self.watch.lead_to(None);
    }

    /// Gives it back.
    pub fn restore_watch(&self) {
        self.join_in_process(lock(&self.fetch).as_ref());
        self.lead_to_grpc();
    }

    /// Where the watch of a signal service leads that is joined like this system's.
    ///
    /// # Errors
    ///
    /// When the TLS of this system cannot be used.
    pub fn grpc_watch(&self) -> Result<GrpcWatch, SystemError> {
        let failed = |error: &dyn ToString| SystemError::Watch(error.to_string());
        let address = self.watch_proxy.as_ref().map(FaultProxy::address);
        let address = address.unwrap_or(self.ports.private.address());
        let url = format!("{}://{address}", self.front.scheme());
        let tls = self.certificate_pem().map(|pem| watch_tls(pem.as_bytes(), None));
        let config = GrpcWatchConfig {
            fetch: vec![url.parse().map_err(|error: InvalidFetchUrl| failed(&error))?],
            name: None,
            secret: Some(secret()?),
            tls: tls.transpose().map_err(|error| failed(&error))?,
        };
        GrpcWatch::connect(config).map_err(|error| failed(&error))
    }

    pub(super) fn join_by_grpc(&self) -> Result<(), SystemError> {
        if self.builder.watch != Join::InProcess {
            let _ = self.grpc.set(Arc::new(self.grpc_watch()?));
            self.lead_to_grpc();
        }
        Ok(())
    }

    fn lead_to_grpc(&self) {
        if let Some(grpc) = self.grpc.get() {
            self.watch.lead_to(Some(Arc::clone(grpc) as _));
        }
    }

    pub(super) fn join_in_process(&self, fetch: Option<&Fetch>) {
        if self.builder.watch == Join::InProcess {
            self.watch.lead_to(fetch.map(Fetch::watch));
        }
    }

    pub(super) fn guard_watch(&self, config: &mut FetchConfig) -> Result<(), SystemError> {
        if self.builder.watch == Join::InProcess {
            return Ok(());
        }
        config.watch_guard.secrets = vec![secret()?];
        // There is no other node to go to.
        config.move_time = Duration::from_millis(300);
        if let Some(certificates) = &self.front.certificates {
            let tls = private_tls(Arc::clone(certificates) as _, None);
            config.private_tls = Some(tls.map_err(|error| SystemError::Watch(error.to_string()))?);
        }
        Ok(())
    }
}

fn secret() -> Result<WatchSecret, SystemError> {
    SECRET.parse().map_err(|error: InvalidWatchSecret| SystemError::Watch(error.to_string()))
}
