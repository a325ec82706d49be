use std::{fmt, io, path::PathBuf, str::FromStr};

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use url::Url;

/// Where NATS is, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsOptions {
    servers: Vec<Url>,
    login: Login,
    subject_prefix: String,
    /// A file with the certificates of who signs the servers', in PEM; the system's without one.
    pub tls_authorities: Option<PathBuf>,
    /// Files with our certificate and its key, in PEM.
    pub tls_certificate: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Login {
    Nobody,
    Password {
        user: String,
        password: String,
    },
    Token(String),
    /// A file as `nsc` makes it: a JWT and the seed that signs for it.
    Credentials(PathBuf),
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
    /// Not a subject.
    #[error(
        "{0:?} is no prefix of NATS subjects: write words of letters, digits, - and _, with dots between"
    )]
    SubjectPrefix(String),
}

impl NatsOptions {
    /// Uses the JWT and the seed in this file instead of what the URL says.
    #[must_use]
    pub fn credentials(mut self, file: PathBuf) -> Self {
        self.login = Login::Credentials(file);
        self
    }

    /// Uses this token instead of what the URL says.
    #[must_use]
    pub fn token(mut self, token: String) -> Self {
        self.login = Login::Token(token);
        self
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

    pub(super) async fn connect_options(&self) -> io::Result<ConnectOptions> {
        let options = match &self.login {
            Login::Nobody => ConnectOptions::new(),
            Login::Token(token) => ConnectOptions::with_token(token.clone()),
            Login::Password { user, password } => {
                ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
            Login::Credentials(file) => {
                ConnectOptions::with_credentials_file(file).await.map_err(|error| {
                    let file = file.display();
                    io::Error::other(format!("the credentials {file} cannot be used: {error}"))
                })?
            }
        };
        let options = match &self.tls_authorities {
            Some(file) => options.add_root_certificates(file.clone()).require_tls(true),
            None => options,
        };
        Ok(match &self.tls_certificate {
            Some((certificate, key)) => {
                options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true)
            }
            None => options,
        })
    }
}

impl FromStr for NatsOptions {
    type Err = InvalidNats;

    /// Reads one URL or more, with commas between: `nats://`, or `tls://` for who insists on TLS; with
    /// `user:password@`, or `token@`.
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
            Self::Credentials(_) => "Credentials",
        })
    }
}

#[cfg(test)]
mod tests;
