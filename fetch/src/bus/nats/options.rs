mod files;

use std::{fmt, path::PathBuf, str::FromStr};

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use url::Url;

/// Where NATS is, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsOptions {
    servers: Vec<Url>,
    login: Login,
    subject_prefix: String,
    tls_authorities: Option<PathBuf>,
    tls_certificate: Option<(PathBuf, PathBuf)>,
}

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    Password {
        user: String,
        password: String,
    },
    Token(String),
    /// A file that is read for every connection.
    File(PathBuf),
}

/// What is no way to a NATS server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNats {
    /// Not a URL.
    #[error(
        "{value:?} is no URL of a NATS server ({why}): write nats://HOST:4222 or tls://HOST:4222"
    )]
    Url {
        /// What was given, without user and password.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another kind of URL.
    #[error("the scheme {scheme:?} is not of NATS: write nats://HOST:4222 or tls://HOST:4222")]
    Scheme {
        /// What was given.
        scheme: String,
    },
    /// Two servers of a list name different users.
    #[error(
        "the servers of one bus take one login: write it at the first URL, or the same at each"
    )]
    Logins,
    /// A login stands in the URL, and another one in a file.
    #[error("a login is in the URL, and another one in {}: keep one of them", .0.display())]
    SecondLogin(PathBuf),
    /// A file that cannot be used.
    #[error("{} {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Not a subject.
    #[error(
        "{0:?} is no prefix of NATS subjects: write words of letters, digits, - and _, with dots between"
    )]
    SubjectPrefix(String),
}

impl NatsOptions {
    /// Who we are is in this file: a JWT and the seed that signs for it, as `nsc` writes them, or the seed of an
    /// nkey alone. It is read again for every connection, so that it can be replaced.
    ///
    /// # Errors
    ///
    /// [`InvalidNats`] when it is neither, or the URL has a login.
    pub fn credentials(mut self, file: PathBuf) -> Result<Self, InvalidNats> {
        if self.login != Login::Nobody {
            return Err(InvalidNats::SecondLogin(file));
        }
        files::login(&file)?;
        self.login = Login::File(file);
        Ok(self)
    }

    /// The servers' certificates come from an authority in this file, in PEM, instead of one that the system
    /// knows; without TLS nothing is said to them. It is read again for every connection.
    ///
    /// # Errors
    ///
    /// [`InvalidNats::File`] when there is none in it.
    pub fn authorities(mut self, file: PathBuf) -> Result<Self, InvalidNats> {
        files::certificates(&file)?;
        self.tls_authorities = Some(file);
        Ok(self)
    }

    /// The certificate that is shown to the servers, and its key, in PEM. They are read again for every
    /// connection.
    ///
    /// # Errors
    ///
    /// [`InvalidNats::File`] when one of them is none.
    pub fn certificate(mut self, certificate: PathBuf, key: PathBuf) -> Result<Self, InvalidNats> {
        files::certificates(&certificate)?;
        files::key(&key)?;
        self.tls_certificate = Some((certificate, key));
        Ok(self)
    }

    /// Subjects begin with this instead of `nudge`.
    ///
    /// # Errors
    ///
    /// [`InvalidNats::SubjectPrefix`] when subjects can't.
    pub fn under(mut self, subject_prefix: &str) -> Result<Self, InvalidNats> {
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !subject_prefix.split('.').all(is_word) {
            return Err(InvalidNats::SubjectPrefix(subject_prefix.to_owned()));
        }
        subject_prefix.clone_into(&mut self.subject_prefix);
        Ok(self)
    }

    pub(super) fn subject_prefix(&self) -> &str {
        &self.subject_prefix
    }

    pub(super) fn servers(&self) -> Vec<ServerAddr> {
        let servers = self.servers.iter().cloned().map(ServerAddr::from_url);
        servers.filter_map(Result::ok).collect()
    }

    pub(super) const fn login(&self) -> &Login {
        &self.login
    }

    /// With what the files hold now.
    pub(super) fn connect_options(&self) -> Result<ConnectOptions, InvalidNats> {
        let options = match &self.login {
            Login::Nobody => ConnectOptions::new(),
            Login::Token(token) => ConnectOptions::with_token(token.clone()),
            Login::Password { user, password } => {
                ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
            Login::File(file) => files::login(file)?,
        };
        let options = match &self.tls_authorities {
            Some(file) => options.add_root_certificates(file.clone()),
            None => options,
        };
        let options = match &self.tls_certificate {
            Some((certificate, key)) => {
                options.add_client_certificate(certificate.clone(), key.clone())
            }
            None => options,
        };
        Ok(options.require_tls(self.needs_tls()))
    }

    /// Whether nothing is said without TLS: also to a server that another one names.
    fn needs_tls(&self) -> bool {
        let is_tls = |server: &Url| server.scheme() == "tls";
        self.tls_authorities.is_some()
            || self.tls_certificate.is_some()
            || self.servers.iter().any(is_tls)
    }
}

impl FromStr for NatsOptions {
    type Err = InvalidNats;

    /// Reads one URL or more, with commas between: `nats://`, or `tls://` at any of them for who insists on TLS
    /// with all; with `user:password@`, or `token@`.
    fn from_str(urls: &str) -> Result<Self, InvalidNats> {
        let mut servers = Vec::new();
        let mut login = Login::Nobody;
        for url in urls.split(',') {
            let (server, this) = server(url.trim())?;
            if servers.is_empty() {
                login = this;
            } else if this != Login::Nobody && this != login {
                return Err(InvalidNats::Logins);
            }
            servers.push(server);
        }
        Ok(Self {
            servers,
            login,
            subject_prefix: "nudge".to_owned(),
            tls_authorities: None,
            tls_certificate: None,
        })
    }
}

/// A server, and who we are to it.
fn server(text: &str) -> Result<(Url, Login), InvalidNats> {
    let invalid = |why: String| {
        let value = text.rsplit('@').next().unwrap_or_default().to_owned();
        InvalidNats::Url { value, why }
    };
    let mut url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    if !["nats", "tls"].contains(&url.scheme()) {
        return Err(InvalidNats::Scheme { scheme: url.scheme().to_owned() });
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it has no host".to_owned()));
    }
    let decoded = |part: &str| {
        let part = percent_decode_str(part).decode_utf8();
        part.map(|part| part.into_owned()).map_err(|error| invalid(error.to_string()))
    };
    let login = match (url.username(), url.password()) {
        ("", None) => Login::Nobody,
        (token, None) => Login::Token(decoded(token)?),
        (user, Some(password)) => {
            Login::Password { user: decoded(user)?, password: decoded(password)? }
        }
    };
    // They are in no log then. A URL with a host takes both.
    let _ = (url.set_username(""), url.set_password(None));
    Ok((url, login))
}

impl fmt::Debug for NatsOptions {
    /// Leaves the secrets out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(Url::as_str).collect();
        formatter
            .debug_struct("NatsOptions")
            .field("servers", &servers)
            .field("login", &self.login)
            .field("subject_prefix", &self.subject_prefix)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
            Self::File(_) => "File",
        })
    }
}

#[cfg(test)]
mod tests;
