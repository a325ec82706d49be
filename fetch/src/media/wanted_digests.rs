//! Which digests a client wants (RFC 9530, section 4).

use http::{HeaderMap, HeaderName};

/// How much a client wants a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It says nothing that names it.
    None,
    /// Not acceptable: a preference of 0.
    Refused,
    /// Wanted.
    Wanted,
}

/// Of the whole medium.
pub const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");
/// Of what this answer carries.
pub const WANT_CONTENT_DIGEST: HeaderName = HeaderName::from_static("want-content-digest");

/// What a Want header says of SHA-256. It is a dictionary of integers from 0 to 10 (RFC 8941); one that is
/// none counts for nothing, and of a key that comes twice the last counts.
#[must_use]
pub fn wish(headers: &HeaderMap, name: &HeaderName) -> Wish {
    let members = headers.get_all(name).iter().map(|value| value.to_str().ok().map(members));
    let Some(members) = members.collect::<Option<Vec<_>>>() else { return Wish::None };
    let mut wish = Wish::None;
    for (key, preference) in members.into_iter().flatten() {
        match preference {
            Some(0) if key == "sha-256" => wish = Wish::Refused,
            Some(1..=10) if key == "sha-256" => wish = Wish::Wanted,
            Some(0..=10) => {}
            _ => return Wish::None,
        }
    }
    wish
}

/// Keys with their integers; parameters say nothing to us.
fn members(value: &str) -> Vec<(&str, Option<u8>)> {
    let members = value.split(',').map(|member| member.trim_matches([' ', '\t']));
    members
        .map(|member| {
            let bare = member.split(';').next().unwrap_or_default();
            let (key, number) = bare.split_once('=').unwrap_or((bare, ""));
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            (key, number.parse().ok().filter(|_| is_number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_want_header_says_of_sha_256() {
        use Wish::{None, Refused, Wanted};
        for (lines, expected) in [
            (&[][..], None),
            (&["sha-256=1"], Wanted),
            (&["sha-512=3, sha-256=10, unixsum=0"], Wanted),
            (&["sha-512=3", "sha-256=10"], Wanted),
            (&["sha-256=1;q=1"], Wanted),
            (&["sha-256=0"], Refused),
            (&["sha-256=5,sha-256=0"], Refused),
            (&["sha-512=10"], None),
            (&["sha-256"], None),
            (&["sha-256=11"], None),
            (&["sha-256=-1"], None),
            (&["sha-256=+1"], None),
            (&["sha-256=yes"], None),
            (&["sha-256=1,"], None),
            (&[""], None),
            (&["sha-256=1\u{e4}"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
                headers.append(WANT_CONTENT_DIGEST, value);
            }
            assert_eq!(wish(&headers, &WANT_CONTENT_DIGEST), expected, "{lines:?}");
        }
    }
}
