use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use nudge_proto::watch::{StoreId, Watch};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Auth, AuthError},
    bus::Bus,
    clock::Clock,
    config::FetchConfig,
    durable::make_directory,
    health::Health,
    http::{App, Redirects, private_router, public_router},
    limits::{DETACHED_WRITES_MAX, UPLOAD_IDLE_TIMEOUT, UPLOAD_TIME},
    media::{MediaLimits, Uploads},
    milestones::Milestones,
    objects::{self, ObjectError, Objects, ObjectsConfig},
    readiness,
    server::{HttpServer, Manner},
    store::{Database, OpenError, Store, StoreError, StoreIdentity},
    telemetry, upkeep,
    watch::{HubWatch, WatchHub},
};

/// The content service, running.
#[derive(Debug)]
pub struct Fetch {
    public: HttpServer,
    private: HttpServer,
    hub: Arc<WatchHub>,
    store: Arc<dyn Store>,
    uploads: Uploads,
    /// The bus, unless it is the caller's.
    own_bus: Option<Arc<dyn Bus>>,
    health: Arc<Health>,
    tasks: TaskTracker,
    stop: CancellationToken,
    move_time: Duration,
}

/// Why the content service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The data folder cannot be made.
    #[error("cannot make the data folder {path}: {source}")]
    DataDir {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store does not say which one it is.
    #[error("cannot read which store this is: {0}")]
    Identity(#[from] StoreError),
    /// The place for media cannot be used.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A directory that other nodes do not see.
    #[error(
        "many nodes share a Postgres database, and {path} is a directory of this machine: give an \
         object store (s3://bucket/prefix), or declare that every node sees the same files there \
         (--shared-directory)"
    )]
    NotShared {
        /// The directory.
        path: String,
    },
    /// Media may be larger than the place takes.
    #[error(
        "an object store takes media of {most} bytes at most, and {allowed} are allowed: lower --medium-mib"
    )]
    MediaTooLarge {
        /// What it takes.
        most: u64,
        /// What the configuration allows.
        allowed: u64,
    },
    /// The keys cannot be read or made.
    #[error("cannot load the keys: {0}")]
    Keys(#[from] AuthError),
    /// Everybody on the network could open a watch, and with it learn the keys of all tickets.
    #[error(
        "the private listener is on {0}, where others can reach it, and asks them for nothing: set a \
         watch secret or a client authority, or listen on 127.0.0.1"
    )]
    OpenWatch(SocketAddr),
    /// Nobody could open a watch.
    #[error(
        "the watch asks for a certificate, but the private listener speaks no TLS: give it one"
    )]
    NoTls,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What a test may replace.
#[derive(Debug)]
pub struct FetchParts {
    /// The time.
    pub clock: Clock,
    /// The way to other nodes; `None` for what the configuration says. It stays the caller's to close.
    pub bus: Option<Arc<dyn Bus>>,
    /// Where the bytes of media lie; `None` for what the configuration says.
    pub objects: Option<Arc<dyn Objects>>,
}

impl Default for FetchParts {
    fn default() -> Self {
        Self { clock: Clock::system(), bus: None, objects: None }
    }
}

impl Fetch {
    /// Opens the store in the data folder and serves it.
    ///
    /// # Errors
    ///
    /// [`FetchError`] says what is wrong.
    pub async fn start(config: FetchConfig) -> Result<Self, FetchError> {
        Self::start_with(config, FetchParts::default()).await
    }

    /// The same, with parts of the caller's own.
    ///
    /// # Errors
    ///
    /// [`FetchError`] says what is wrong.
    pub async fn start_with(config: FetchConfig, parts: FetchParts) -> Result<Self, FetchError> {
        make_directory(&config.data_dir).map_err(|source| FetchError::DataDir {
            path: config.data_dir.display().to_string(),
            source,
        })?;
        check_guard(&config)?;
        check_place(&config)?;
        // Ports first: they are the likeliest to be taken, and nothing is to undo then.
        let listeners = (listen(config.public).await?, listen(config.private).await?);
        let store = config.database.open(&config.data_dir).await?;
        let started = Self::serve(config, parts, listeners, Arc::clone(&store)).await;
        if started.is_err() {
            // Whoever tries again in this process finds the store free.
            store.close().await;
        }
        started
    }

    async fn serve(
        config: FetchConfig,
        parts: FetchParts,
        (public, private): (TcpListener, TcpListener),
        store: Arc<dyn Store>,
    ) -> Result<Self, FetchError> {
        // Before anything counts.
        telemetry::recorder();
        let FetchParts { clock, bus, objects } = parts;
        let objects = match objects {
            Some(objects) => objects,
            None => objects::open(&config.objects, &config.objects_path(), &store).await?,
        };
        let redirect = config.redirect.clone();
        let redirects =
            redirect.map(|redirect| Redirects::new(redirect, &config.objects)).transpose();
        let redirects = redirects.map_err(ObjectError::from)?;
        let (bus, own_bus) = match bus {
            Some(bus) => (bus, None),
            None => {
                let database = config.database.connect_options()?;
                let bus = config.bus.open(database, store.identity().await?.store_id);
                (Arc::clone(&bus), Some(bus))
            }
        };
        let uploads = Uploads::new(
            Arc::clone(&store),
            Arc::clone(&objects),
            clock.clone(),
            media_limits(&config),
        );
        let auth = Arc::new(Auth::start(Arc::clone(&store), clock.clone()).await?);
        let milestones = Arc::new(Milestones::default());
        // Before anybody is told of one.
        let StoreIdentity { store_id, epoch, .. } = store.identity().await?;
        let hub = WatchHub::start(
            Arc::clone(&store),
            Arc::clone(&bus),
            Arc::clone(&auth),
            clock.clone(),
            Arc::clone(&milestones),
            config.heartbeat,
        );
        let tls = config.tls.clone().map(with_http_alpn);
        let private_tls = config.private_tls.clone().map(with_http_alpn);
        let (public_at, private_at) = (config.public, config.private);
        let (move_time, failover) = (config.move_time, config.database.failover());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let health = Arc::new(readiness::health(&store, &objects, &bus, &auth, &hub, failover));
        let app = App {
            store: Arc::clone(&store),
            store_id: StoreId(store_id),
            objects,
            granted: Arc::default(),
            redirects,
            uploads: uploads.clone(),
            bus,
            auth,
            clock,
            config: Arc::new(config),
            tasks: tasks.clone(),
            places: Arc::new(Semaphore::new(DETACHED_WRITES_MAX)),
            typists: Arc::default(),
            milestones,
            health: Arc::clone(&health),
            hub: Arc::clone(&hub),
        };
        upkeep::start(&app, &hub, epoch, &tasks, &stop);
        let cannot = |address| move |source| FetchError::Listen { address, source };
        Ok(Self {
            public: HttpServer::start(public, tls, public_router(app.clone()), Manner::Public)
                .map_err(cannot(public_at))?,
            private: HttpServer::start(private, private_tls, private_router(app), Manner::Private)
                .map_err(cannot(private_at))?,
            hub,
            store,
            uploads,
            own_bus,
            health,
            tasks,
            stop,
            move_time,
        })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn public_addr(&self) -> SocketAddr {
        self.public.address()
    }

    /// Where health and metrics listen.
    #[must_use]
    pub const fn private_addr(&self) -> SocketAddr {
        self.private.address()
    }

    /// The watch, for a signal service in this process.
    #[must_use]
    pub fn watch(&self) -> Arc<dyn Watch> {
        Arc::new(HubWatch(Arc::clone(&self.hub)))
    }

    /// The hub, for who wants to look at it.
    #[must_use]
    pub const fn hub(&self) -> &Arc<WatchHub> {
        &self.hub
    }

    /// Is not ready any more, and goes on serving: whoever balances looks elsewhere.
    pub fn drain(&self) {
        self.health.drain();
    }

    /// Sends signal nodes elsewhere, lets requests in flight finish, commits what was begun, and closes
    /// everything.
    pub async fn shutdown(self) {
        self.drain();
        tokio::join!(self.hub.drain(self.move_time), self.public.shutdown());
        self.private.shutdown().await;
        self.uploads.finish().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.hub.shutdown().await;
        if let Some(bus) = self.own_bus {
            bus.close().await;
        }
        self.store.close().await;
    }
}

fn check_place(config: &FetchConfig) -> Result<(), FetchError> {
    let not_shared = |path: &Path| FetchError::NotShared { path: path.display().to_string() };
    let is_for_many = matches!(config.database, Database::Postgres(_));
    match &config.objects {
        ObjectsConfig::InDataDir if is_for_many => Err(not_shared(&config.objects_path())),
        ObjectsConfig::Directory { path, is_shared: false } if is_for_many => Err(not_shared(path)),
        ObjectsConfig::Remote(_) if config.upload_bytes_max > objects::MEDIUM_BYTES_MAX => {
            let (most, allowed) = (objects::MEDIUM_BYTES_MAX, config.upload_bytes_max);
            Err(FetchError::MediaTooLarge { most, allowed })
        }
        ObjectsConfig::InDataDir | ObjectsConfig::Directory { .. } | ObjectsConfig::Remote(_) => {
            Ok(())
        }
    }
}

fn check_guard(config: &FetchConfig) -> Result<(), FetchError> {
    let guard = &config.watch_guard;
    if guard.is_open() && !config.private.ip().is_loopback() {
        return Err(FetchError::OpenWatch(config.private));
    }
    if guard.certificate && config.private_tls.is_none() {
        return Err(FetchError::NoTls);
    }
    Ok(())
}

fn media_limits(config: &FetchConfig) -> MediaLimits {
    MediaLimits {
        size_max: config.upload_bytes_max,
        quota: config.quota,
        upload_time: UPLOAD_TIME,
        media_days: config.retention.media_days,
        idle_max: UPLOAD_IDLE_TIMEOUT,
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, FetchError> {
    TcpListener::bind(address).await.map_err(|source| FetchError::Listen { address, source })
}

fn with_http_alpn(tls: Arc<rustls::ServerConfig>) -> Arc<rustls::ServerConfig> {
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(tls)
}
