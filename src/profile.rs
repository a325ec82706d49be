//! A profile: the folder of one account's device, and which server it is on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;
use nudge_client_sdk::{Client, ClientConfig, SyncMode, User};
use serde::{Deserialize, Serialize};

use crate::{cli::Account, failure::Failure};

/// One account's place on this machine.
#[derive(Debug)]
pub(crate) struct Profile {
    name: String,
    folder: PathBuf,
    server: Server,
}

/// What a login remembers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Server {
    url: String,
    /// Certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
}

impl Profile {
    /// Finds the profile; flags and variables are stronger than what the last login remembered.
    pub(crate) fn find(account: &Account) -> Result<Self, Failure> {
        let name = account.profile.clone();
        let is_plain = |letter: char| letter.is_alphanumeric() || "._-@".contains(letter);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(Failure::configuration(format!(
                "--profile takes a name of letters, digits, \".\", \"_\", \"-\" and \"@\", not {name:?}"
            )));
        }
        let folder = match &account.state_dir {
            Some(folder) => folder.clone(),
            None => platform_folder()?,
        }
        .join(&name);
        let remembered = read(&folder.join(SERVER_FILE))?.unwrap_or_default();
        let url = account.server.clone().or((!remembered.url.is_empty()).then_some(remembered.url));
        let ca = match &account.ca {
            Some(ca) => Some(std::path::absolute(ca)?),
            None => remembered.ca,
        };
        let server = Server { url: url.unwrap_or_else(|| DEFAULT_URL.to_owned()), ca };
        Ok(Self { name, folder, server })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where everything of it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's URL.
    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// Opens it, whoever is logged in.
    pub(crate) async fn open(&self, sync: SyncMode) -> Result<Client, Failure> {
        let extra_roots_pem = match &self.server.ca {
            None => Vec::new(),
            Some(path) => vec![fs::read(path).map_err(|error| {
                Failure::configuration(format!("--ca {}: {error}", path.display()))
            })?],
        };
        let host = rustix::system::uname();
        let config = ClientConfig {
            client_name: "nudge".to_owned(),
            device_name: format!("nudge on {}", host.nodename().to_string_lossy()),
            extra_roots_pem,
            sync,
            ..ClientConfig::new(&self.server.url, &self.folder)
        };
        Ok(Client::open(config).await?)
    }

    /// Opens it for requests only, beside whatever listens; somebody must be logged in.
    pub(crate) async fn open_for_requests(&self) -> Result<(Client, User), Failure> {
        self.open_logged_in(SyncMode::Off).await
    }

    /// Opens it for what comes in; nobody else may be listening.
    pub(crate) async fn open_for_listening(&self) -> Result<(Client, User), Failure> {
        let (client, user) = self.open_logged_in(SyncMode::Automatic).await?;
        if client.is_syncing() {
            return Ok((client, user));
        }
        client.close().await;
        Err(Failure::new(format!(
            "another process listens with the profile {:?} already: stop it, or log in with another \
             --profile",
            self.name
        )))
    }

    async fn open_logged_in(&self, sync: SyncMode) -> Result<(Client, User), Failure> {
        let nobody = || {
            Failure::new(format!(
                "nobody is logged in with the profile {:?}: run `nudge login HANDLE` or \
                 `nudge register HANDLE` first",
                self.name
            ))
        };
        if !self.folder.is_dir() {
            return Err(nobody());
        }
        let client = self.open(sync).await?;
        match client.user().await? {
            Some(user) => Ok((client, user)),
            None => {
                client.close().await;
                Err(nobody())
            }
        }
    }

    /// Remembers the server for later commands.
    pub(crate) fn remember_server(&self) -> Result<(), Failure> {
        let path = self.folder.join(SERVER_FILE);
        let half = self.folder.join(format!("{SERVER_FILE}.new"));
        let named = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
        fs::write(&half, serde_json::to_vec(&self.server)?).map_err(named)?;
        fs::rename(&half, &path).map_err(named)
    }
}

fn platform_folder() -> Result<PathBuf, Failure> {
    let strategy = etcetera::base_strategy::choose_native_strategy().map_err(|_| {
        Failure::configuration("this user has no home folder: name one with --state-dir")
    })?;
    Ok(strategy.data_dir().join("nudge"))
}

fn read(path: &Path) -> Result<Option<Server>, Failure> {
    let named = |error: &dyn std::error::Error| {
        Failure::configuration(format!("cannot use {}: {error}", path.display()))
    };
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| named(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(&error)),
    }
}

const SERVER_FILE: &str = "server.json";
const DEFAULT_URL: &str = "http://127.0.0.1:7480";
