//! Whether a download is sent to the object store itself.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, header};

use crate::network::Network;

/// When the operator wants downloads to go to the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectRules {
    /// Who is redirected.
    pub who: Redirected,
    /// Media of at least so many bytes.
    pub from_bytes: u64,
    /// Clients of these networks; of all, if there are none.
    pub networks: Vec<Network>,
    /// How long the URL is good, whatever is revoked meanwhile.
    pub time: Duration,
}

/// Who is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirected {
    /// Who prefers it.
    WhoPrefersIt,
    /// Who does not refuse it.
    WhoDoesNotRefuse,
}

impl RedirectRules {
    /// Whether they say so of a medium and a request for it. A request that names what the part belongs to,
    /// by our entity tag, is none that the object store could answer.
    #[must_use]
    pub fn apply(&self, size: u64, client: IpAddr, headers: &HeaderMap) -> bool {
        let is_wanted = match (preference(headers), self.who) {
            (Preference::Refused, _) | (Preference::None, Redirected::WhoPrefersIt) => false,
            (Preference::Wanted, _) | (Preference::None, Redirected::WhoDoesNotRefuse) => true,
        };
        let is_near =
            self.networks.is_empty() || self.networks.iter().any(|net| net.contains(client));
        let is_ours = [header::IF_RANGE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name));
        is_wanted && is_near && !is_ours && size >= self.from_bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preference {
    None,
    Wanted,
    Refused,
}

/// `Prefer: redirect` or `Prefer: redirect=no` (RFC 7240); of a preference that comes twice the first counts.
fn preference(headers: &HeaderMap) -> Preference {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    for preference in lines.flat_map(|line| line.split(',')) {
        let bare = preference.split(';').next().unwrap_or_default();
        let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
        if name.trim().eq_ignore_ascii_case("redirect") {
            let value = value.trim().trim_matches('"');
            let is_refused = value.eq_ignore_ascii_case("no");
            return if is_refused { Preference::Refused } else { Preference::Wanted };
        }
    }
    Preference::None
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn rules(who: Redirected) -> RedirectRules {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        RedirectRules { who, from_bytes: 1000, networks, time: Duration::from_secs(300) }
    }

    fn apply(rules: &RedirectRules, headers: &[(&'static str, &'static str)]) -> bool {
        let header =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers = headers.iter().map(header).collect();
        rules.apply(1000, "10.1.2.3".parse().unwrap(), &headers)
    }

    #[test]
    fn a_preference_is_followed_and_without_one_the_operator_decides() {
        for (value, asked, unasked) in [
            (None, false, true),
            (Some("redirect"), true, true),
            (Some("Redirect; a=b"), true, true),
            (Some("wait=10, redirect=yes"), true, true),
            (Some("redirect=no"), false, false),
            (Some("redirect = \"no\""), false, false),
            (Some("redirect=no, redirect"), false, false),
            (Some("respond-async"), false, true),
        ] {
            let headers: Vec<_> = value.map(|value| ("prefer", value)).into_iter().collect();
            assert_eq!(apply(&rules(Redirected::WhoPrefersIt), &headers), asked, "{value:?}");
            assert_eq!(apply(&rules(Redirected::WhoDoesNotRefuse), &headers), unasked, "{value:?}");
        }
    }

    #[test]
    fn size_and_network_decide_too() {
        let rules = rules(Redirected::WhoDoesNotRefuse);
        let near = "10.1.2.3".parse().unwrap();
        assert!(rules.apply(1000, near, &HeaderMap::new()));
        assert!(!rules.apply(999, near, &HeaderMap::new()));
        assert!(!rules.apply(1000, "192.0.2.1".parse().unwrap(), &HeaderMap::new()));
        let everywhere = RedirectRules { networks: Vec::new(), ..rules };
        assert!(everywhere.apply(1000, "192.0.2.1".parse().unwrap(), &HeaderMap::new()));
    }

    #[test]
    fn what_the_object_store_would_answer_otherwise_is_not_sent_there() {
        let rules = rules(Redirected::WhoDoesNotRefuse);
        for name in ["if-range", "if-match", "if-unmodified-since"] {
            assert!(!apply(&rules, &[(name, "x"), ("prefer", "redirect")]), "{name}");
        }
        assert!(apply(&rules, &[("range", "bytes=0-9")]));
    }
}
