//! The SDK against a system.

use std::time::Duration;

use nudge_client_sdk::{Client, ClientConfig, Error, ErrorCode, NewAccount};

use super::{PASSWORD, System};

/// A test has no patience.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// Longer than a restart of a part takes.
const RETRY_MAX: Duration = Duration::from_millis(250);

impl System {
    /// The SDK for `handle`, whose account is made if it is new, with its state in the folder `handle`.
    ///
    /// Opened again after [`Client::close`], it is the same device.
    ///
    /// # Errors
    ///
    /// As [`Client::open`], [`Client::register`] and [`Client::log_in`].
    pub async fn client(&self, handle: &str) -> Result<Client, Error> {
        self.client_with(handle, self.client_config(handle)).await
    }

    /// The same, as `config` says: another [`Self::client_config`] is another device.
    ///
    /// # Errors
    ///
    /// As [`Self::client`].
    pub async fn client_with(&self, handle: &str, config: ClientConfig) -> Result<Client, Error> {
        let client = Client::open(config).await?;
        if client.user().await?.is_none() {
            let account = NewAccount {
                handle: handle.to_owned(),
                password: PASSWORD.to_owned(),
                display_name: String::new(),
                invite: None,
            };
            match client.register(account).await {
                Err(error) if error.code() == Some(ErrorCode::HandleTaken) => {}
                other => _ = other?,
            }
            client.log_in(handle, PASSWORD).await?;
        }
        Ok(client)
    }

    /// What an SDK client of this system is told, with its state in a folder of the system's own, and
    /// with little patience.
    #[must_use]
    pub fn client_config(&self, folder: &str) -> ClientConfig {
        let state_dir = self.folder.path().join("clients").join(folder);
        ClientConfig {
            client_name: "harness".to_owned(),
            device_name: folder.to_owned(),
            extra_roots_pem: self.certificate_pem().map(Into::into).into_iter().collect(),
            retry_min: RETRY_MIN,
            retry_max: RETRY_MAX,
            ..ClientConfig::new(self.url(), state_dir)
        }
    }
}
