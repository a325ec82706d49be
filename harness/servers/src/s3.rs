use std::{fs, path::Path, process::Command};

use rustix::process::Signal;

use crate::{
    ServerError, programs,
    server::{self, Server},
};

/// An S3 server over a folder, by the program `nudge-test-s3` of this crate.
#[derive(Debug)]
pub struct S3(Server);

impl S3 {
    /// The key that it knows.
    pub const ACCESS_KEY_ID: &str = "nudge";
    /// What belongs to the key.
    pub const SECRET_ACCESS_KEY: &str = "secret-of-nudge";
    /// The bucket that it has from the start.
    pub const BUCKET: &str = "nudge";

    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start() -> Result<Self, ServerError> {
        let s3 = Self(Server::new("nudge-test-s3")?);
        s3.make_bucket(Self::BUCKET)?;
        s3.start_again()?;
        Ok(s3)
    }

    /// Starts it on the same port and folder, if it does not run.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is missing or failed.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut command = Command::new(programs::own("nudge-test-s3")?);
        command
            .arg(self.0.port().to_string())
            .arg(self.0.folder().join("buckets"))
            .args([Self::ACCESS_KEY_ID, Self::SECRET_ACCESS_KEY]);
        self.0.start(&mut command, || server::listens(self.0.port()))
    }

    /// Makes a bucket.
    ///
    /// # Errors
    ///
    /// [`ServerError::Io`] when its folder cannot be made.
    pub fn make_bucket(&self, name: &str) -> Result<(), ServerError> {
        fs::create_dir_all(self.0.folder().join("buckets").join(name))
            .map_err(ServerError::io("make a bucket"))
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }

    /// The environment that points a program to it, as the tools of AWS name it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET_ACCESS_KEY.to_owned()),
        ]
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// Its port on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Ends it in order: requests in flight finish, unless they take long.
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
}
