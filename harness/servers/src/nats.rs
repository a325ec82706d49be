mod jwt;

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use nkeys::KeyPair;
use rustix::process::Signal;

use crate::{
    ServerError, programs,
    server::{self, Server},
};

/// A NATS server.
#[derive(Debug)]
pub struct Nats(Server);

/// How a server differs from the default, which lets everybody in and speaks no TLS.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// What a client has to show.
    pub login: NatsLogin,
    /// The server insists on TLS.
    pub tls: Option<NatsTls>,
}

/// What a client has to show.
#[derive(Clone, Debug, Default)]
pub enum NatsLogin {
    /// Nothing.
    #[default]
    Nothing,
    /// A user's name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The signature of an nkey, whose seed is in [`Nats::login_file`].
    Nkey,
    /// A JWT and the signature of its nkey, which are both in [`Nats::login_file`].
    Credentials,
}

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct NatsTls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Clients have to show a certificate of this authority.
    pub client_authority: Option<PathBuf>,
}

impl Nats {
    /// Starts one that lets everybody in.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(&NatsOptions::default())
    }

    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start_with(options: &NatsOptions) -> Result<Self, ServerError> {
        let nats = Self(Server::new("nats-server")?);
        let login = nats.login(&options.login)?;
        let tls = options.tls.as_ref().map(tls).unwrap_or_default();
        nats.write(&nats.config(), &(tls + &login))?;
        nats.start_again()?;
        Ok(nats)
    }

    /// Starts it on the same port, if it does not run.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut command = Command::new(programs::find("nats-server", "nats-server")?);
        command.arg("-c").arg(self.config());
        command.args(["-a", "127.0.0.1", "-p", &self.0.port().to_string()]);
        self.0.start(&mut command, || server::listens(self.0.port()))
    }

    /// What [`NatsLogin::Nkey`] and [`NatsLogin::Credentials`] have to show.
    #[must_use]
    pub fn login_file(&self) -> PathBuf {
        self.0.folder().join("login")
    }

    /// `nats://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port())
    }

    /// Its port on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Ends it in order.
    pub fn stop(&self) {
        self.0.stop(Signal::TERM);
    }

    /// Ends it by `kill -9`.
    pub fn kill(&self) {
        self.0.stop(Signal::KILL);
    }

    /// It keeps its connections, and does nothing any more.
    pub fn freeze(&self) {
        self.0.signal_all(Signal::STOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.0.signal_all(Signal::CONT);
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// What it has logged since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log()
    }

    fn config(&self) -> PathBuf {
        self.0.folder().join("nats.conf")
    }

    /// The part of the configuration that says who is let in; writes what he has to show.
    fn login(&self, login: &NatsLogin) -> Result<String, ServerError> {
        let of_key = |error| ServerError::io("make an nkey")(io::Error::other(error));
        Ok(match login {
            NatsLogin::Nothing => String::new(),
            NatsLogin::Password { user, password } => {
                format!("authorization {{ user: \"{user}\", password: \"{password}\" }}\n")
            }
            NatsLogin::Token(token) => format!("authorization {{ token: \"{token}\" }}\n"),
            NatsLogin::Nkey => {
                let key = KeyPair::new_user();
                self.write(&self.login_file(), &format!("{}\n", key.seed().map_err(of_key)?))?;
                format!("authorization {{ users: [{{ nkey: {} }}] }}\n", key.public_key())
            }
            NatsLogin::Credentials => {
                let (config, credentials) = jwt::make().map_err(of_key)?;
                self.write(&self.login_file(), &credentials)?;
                config
            }
        })
    }

    fn write(&self, file: &Path, text: &str) -> Result<(), ServerError> {
        fs::write(file, text).map_err(ServerError::io(format!("write {}", file.display())))
    }
}

fn tls(tls: &NatsTls) -> String {
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let mut text = format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\"");
    if let Some(authority) = &tls.client_authority {
        let _ = write!(text, ", ca_file: \"{}\", verify: true", authority.display());
    }
    text + " }\n"
}
