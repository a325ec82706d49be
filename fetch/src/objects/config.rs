//! What the operator says about where media lie.

use std::{fmt, path::PathBuf};

use url::Url;

/// Where the bytes of media lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ObjectsConfig {
    /// In the data folder.
    #[default]
    InDataDir,
    /// In a directory.
    Directory {
        /// Which.
        path: PathBuf,
        /// Every fetch node sees it, as the operator has declared.
        is_shared: bool,
    },
    /// In an object store.
    Remote(RemoteConfig),
}

/// An object store: S3 and what speaks like it, Google Cloud Storage, or Azure Blob Storage.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteConfig {
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: Url,
    /// Credentials, endpoint and the like, as object_store names them: `aws_access_key_id`,
    /// `aws_endpoint`, `aws_allow_http`, `aws_virtual_hosted_style_request` and so on.
    pub options: Vec<(String, String)>,
}

impl RemoteConfig {
    /// An object store whose options are variables of the environment: `AWS_*`, `GOOGLE_*`, `AZURE_*`.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, and what it should be.
    pub fn from_env(url: &str) -> Result<Self, String> {
        let is_option = |name: &str| {
            let prefixes = ["AWS_", "GOOGLE_", "AZURE_"];
            prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            is_option(&name).then(|| (name.to_ascii_lowercase(), value))
        });
        Self::new(url, variables.collect())
    }

    /// The same at another endpoint.
    pub(super) fn with_endpoint(&self, endpoint: &str) -> Self {
        const NAMES: [&str; 4] =
            ["aws_endpoint", "aws_endpoint_url", "aws_endpoint_url_s3", "google_base_url"];
        let name = if self.url.scheme() == "gs" { "google_base_url" } else { "aws_endpoint" };
        let others = self.options.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()));
        let own = (name.to_owned(), endpoint.to_owned());
        Self { url: self.url.clone(), options: others.cloned().chain([own]).collect() }
    }

    /// An object store with options of the caller's own.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, and what it should be.
    pub fn new(url: &str, options: Vec<(String, String)>) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{url} is no place for media ({why}): give {FORMS}, or the path of a directory")
        };
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !["s3", "gs", "az"].contains(&parsed.scheme()) {
            return Err(wrong(&format!("the scheme {} is unknown", parsed.scheme())));
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(wrong("the bucket is missing"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong("credentials belong into the environment"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        Ok(Self { url: parsed, options })
    }
}

impl fmt::Debug for RemoteConfig {
    /// Leaves the options' values out: some are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.options.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("RemoteConfig")
            .field("url", &self.url.as_str())
            .field("options", &names)
            .finish()
    }
}

const FORMS: &str = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_no_object_store_is_refused_with_what_it_should_be() {
        for (url, why) in [
            ("ftp://bucket/prefix", "the scheme ftp is unknown"),
            ("s3:///prefix", "the bucket is missing"),
            ("s3://key:secret@bucket", "credentials belong"),
            ("s3://bucket?x=y", "a query"),
            ("bucket", "relative URL"),
        ] {
            let refused = RemoteConfig::new(url, Vec::new()).unwrap_err();
            assert!(refused.contains(why) && refused.contains("s3://bucket/prefix"), "{refused}");
        }
        for url in ["s3://bucket", "s3://bucket/a/b", "gs://bucket/a", "az://container/a"] {
            RemoteConfig::new(url, Vec::new()).unwrap();
        }
    }

    #[test]
    fn p8_a_printed_configuration_has_no_secrets() {
        let options = vec![("aws_secret_access_key".to_owned(), "sesame".to_owned())];
        let config = ObjectsConfig::Remote(RemoteConfig::new("s3://bucket/a", options).unwrap());
        let printed = format!("{config:?}");
        assert!(printed.contains("aws_secret_access_key") && !printed.contains("sesame"));
    }
}
