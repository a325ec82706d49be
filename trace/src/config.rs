//! What the operator decides.

use std::{fmt, str::FromStr};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// What is exported, to whom, and by whom.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// Where the collector is.
    pub endpoint: Endpoint,
    /// What is shown to it.
    pub headers: Headers,
    /// How many traces are kept.
    pub ratio: Ratio,
    /// The service's name as the operator gave it.
    pub service_name: Option<String>,
    /// The service's name when the operator gave none, in `OTEL_RESOURCE_ATTRIBUTES` neither.
    pub default_name: &'static str,
    /// The service's version.
    pub version: &'static str,
}

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// No URL of a collector. It may have a password in it, and is not shown.
    #[error("the collector is http://HOST:4318 or https://HOST:4318, {0}")]
    Endpoint(&'static str),
    /// No number from 0 to 1.
    #[error("the share of traces that are kept is a number from 0 to 1, not {0:?}")]
    Ratio(String),
    /// No list of headers. Their values are secrets, and are not shown.
    #[error("headers are NAME=VALUE with commas between, and number {at} {what}")]
    Header {
        /// Which of the list, from 1 on.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Where traces are taken: the collector's base URL with the path of OTLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl FromStr for Endpoint {
    type Err = InvalidSetting;

    fn from_str(base: &str) -> Result<Self, InvalidSetting> {
        let wrong = InvalidSetting::Endpoint;
        let mut url = Url::parse(base).map_err(|_| wrong("and this is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("and this is a URL of another scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("without a user or a password: those belong into a header"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("without anything behind a ? or a #"));
        }
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self(url))
    }
}

/// The share of traces that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    pub(crate) const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or_else(|| InvalidSetting::Ratio(text.to_owned()))
    }
}

/// Headers of every request to the collector, in the form of `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`,
/// the values percent-encoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(HeaderMap);

impl Headers {
    pub(crate) fn map(&self) -> HeaderMap {
        self.0.clone()
    }
}

/// They carry keys.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromStr for Headers {
    type Err = InvalidSetting;

    fn from_str(list: &str) -> Result<Self, InvalidSetting> {
        let mut headers = HeaderMap::new();
        let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        for (at, pair) in (1..).zip(pairs) {
            let wrong = |what| InvalidSetting::Header { at, what };
            let (name, value) = pair.split_once('=').ok_or_else(|| wrong("has no ="))?;
            let name = HeaderName::from_str(name.trim()).map_err(|_| wrong("has no valid name"))?;
            let value: Vec<u8> = percent_decode_str(value.trim()).collect();
            let mut value =
                HeaderValue::from_bytes(&value).map_err(|_| wrong("has no valid value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_otlp_goes_behind_that_of_the_collector() {
        let url = |base: &str| base.parse::<Endpoint>().unwrap().url().to_string();
        assert_eq!(url("http://collector:4318"), "http://collector:4318/v1/traces");
        assert_eq!(url("https://c.example.org/otlp/"), "https://c.example.org/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_collector_is_refused_without_showing_it() {
        for wrong in
            ["", "hush", "grpc://hush:4317", "http://me:hush@c", "http://hush@c", "http://c?k=hush"]
        {
            let refused = wrong.parse::<Endpoint>().unwrap_err().to_string();
            assert!(refused.contains("http://HOST:4318") && !refused.contains("hush"), "{refused}");
        }
    }

    #[test]
    fn a_ratio_is_between_nothing_and_all() {
        assert_eq!("0.25".parse(), Ok(Ratio(0.25)));
        for wrong in ["-0.1", "1.1", "NaN", "half", ""] {
            assert!(wrong.parse::<Ratio>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers: Headers = "authorization=Bearer%20hush, x-team = blue ,".parse().unwrap();
        assert_eq!(headers.0["authorization"], "Bearer hush");
        assert_eq!(headers.0["x-team"], "blue");
        assert!(!format!("{headers:?}").contains("hush"));
        for wrong in ["x-team", "x team=hush", "x-team=hush%0A"] {
            let refused = format!("a=b,{wrong}").parse::<Headers>().unwrap_err().to_string();
            assert!(refused.contains("number 2") && !refused.contains("hush"), "{refused}");
        }
    }
}
