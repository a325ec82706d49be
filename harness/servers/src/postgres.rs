use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::{Signal, geteuid};

use crate::{
    ServerError, programs,
    server::{self, Server},
};

/// A Postgres server.
///
/// Everybody on this machine is let in as the superuser `postgres`, without a password.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    settings: Vec<(String, String)>,
}

/// How a server differs from the default.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Settings of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl Postgres {
    /// This process's one server, for tests that want nothing but a database of their own.
    ///
    /// # Panics
    ///
    /// When there can be none; the message says what to do.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start(PostgresOptions::default()) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        })
    }

    /// Starts one on an empty folder.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start(options: PostgresOptions) -> Result<Self, ServerError> {
        let postgres = Self { server: Server::new("postgres")?, settings: options.settings };
        postgres.own_folder()?;
        let initdb = programs::find("initdb", PACKAGE)?;
        programs::run(
            as_postgres(&initdb)
                .args(["-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"])
                .arg("-D")
                .arg(postgres.data()),
        )?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// A standby that follows this server by streaming replication.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn standby(&self) -> Result<Self, ServerError> {
        let standby = Self { server: Server::new("postgres")?, settings: self.settings.clone() };
        standby.own_folder()?;
        let backup = programs::find("pg_basebackup", PACKAGE)?;
        programs::run(
            as_postgres(&backup)
                .args(["-h", "127.0.0.1", "-U", USER, "--checkpoint=fast", "--no-sync"])
                .args(["--write-recovery-conf", "-p", &self.server.port().to_string()])
                .arg("-D")
                .arg(standby.data()),
        )?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Starts it on the same port and folder, if it does not run.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut command = as_postgres(&programs::find("postgres", PACKAGE)?);
        command.arg("-D").arg(self.data()).args(["-p", &self.server.port().to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=500"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.folder().display()));
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let ready = programs::find("pg_isready", PACKAGE)?;
        let port = self.server.port().to_string();
        self.server.start(&mut command, || {
            let mut ready = Command::new(&ready);
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            server::listens(self.server.port()) && programs::run(&mut ready).is_ok()
        })
    }

    /// A standby begins to take writes, on a timeline of its own.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what failed.
    pub fn promote(&self) -> Result<(), ServerError> {
        self.run_sql("SELECT pg_promote()").map(|_| ())
    }

    /// The URL of a database that is empty and belongs to the caller alone.
    ///
    /// # Panics
    ///
    /// When it cannot be made; the message says why.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        if let Err(error) = self.run_sql(&format!("CREATE DATABASE {name}")) {
            panic!("{error}");
        }
        self.url(&name)
    }

    /// The URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        Self::url_at(self.port(), database)
    }

    /// The same behind a proxy on another port.
    #[must_use]
    pub fn url_at(port: u16, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{port}/{database}")
    }

    /// Its port on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Runs a statement in the database `postgres`, and returns what it yields, a row per line.
    ///
    /// # Errors
    ///
    /// [`ServerError::Failed`] with the server's message.
    pub fn run_sql(&self, statement: &str) -> Result<String, ServerError> {
        self.run_sql_in("postgres", statement)
    }

    /// The same, in a database by its name.
    ///
    /// # Errors
    ///
    /// [`ServerError::Failed`] with the server's message.
    pub fn run_sql_in(&self, database: &str, statement: &str) -> Result<String, ServerError> {
        let psql = programs::find("psql", "postgresql-client")?;
        programs::run(
            Command::new(psql)
                .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
                .args(["-U", USER, "-p", &self.server.port().to_string(), "-d", database])
                .args(["-c", statement]),
        )
    }

    /// Ends it in order; sessions are disconnected.
    pub fn stop(&self) {
        self.server.stop(Signal::INT);
    }

    /// Ends it as `pg_ctl -m immediate` does: at once, as in a crash.
    pub fn stop_immediate(&self) {
        self.server.stop(Signal::QUIT);
    }

    /// It keeps its connections, and does nothing any more.
    pub fn freeze(&self) {
        self.server.signal_all(Signal::STOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.server.signal_all(Signal::CONT);
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.server.is_running()
    }

    /// What it has logged since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The server's own user writes there.
    fn own_folder(&self) -> Result<(), ServerError> {
        fs::write(self.folder().join("log"), "").map_err(ServerError::io("make a log"))?;
        if geteuid().is_root() {
            programs::run(Command::new("chown").arg("-R").arg(USER).arg(self.folder()))?;
        }
        Ok(())
    }
}

/// Postgres refuses to run as root: then the distribution's user of that name does it.
fn as_postgres(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

/// The system's user and the database's.
const USER: &str = "postgres";
/// What has the server's programs.
const PACKAGE: &str = "postgresql";
