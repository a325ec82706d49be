//! What is downloaded, and over what.

use super::MIB;

/// A shape over a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) shape: Shape,
    pub(super) protocol: Protocol,
}

/// What one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Whole64,
    Whole1,
    Range256,
}

/// What it is asked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Http1,
    Http2,
    Http1Tls,
    Http2Tls,
}

impl Case {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let of = |shape| Protocol::ALL.into_iter().map(move |protocol| Self { shape, protocol });
        Shape::ALL.into_iter().flat_map(of)
    }
}

impl Shape {
    pub(super) const ALL: [Self; 3] = [Self::Whole64, Self::Whole1, Self::Range256];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Whole64 => "64 MiB whole",
            Self::Whole1 => "1 MiB whole",
            Self::Range256 => "256 KiB range",
        }
    }

    pub(super) const fn medium_bytes(self) -> u64 {
        match self {
            Self::Whole64 | Self::Range256 => 64 * MIB,
            Self::Whole1 => MIB,
        }
    }

    pub(super) const fn answer_bytes(self) -> u64 {
        match self {
            Self::Whole64 | Self::Whole1 => self.medium_bytes(),
            Self::Range256 => MIB / 4,
        }
    }

    /// Somewhere within, and not on a page's boundary.
    pub(super) fn range(self) -> Option<String> {
        let first = fastrand::u64(..self.medium_bytes() - MIB / 4);
        match self {
            Self::Whole64 | Self::Whole1 => None,
            Self::Range256 => Some(format!("bytes={first}-{}", first + self.answer_bytes() - 1)),
        }
    }
}

impl Protocol {
    pub(super) const ALL: [Self; 4] = [Self::Http1, Self::Http2, Self::Http1Tls, Self::Http2Tls];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http1Tls => "HTTP/1.1+TLS",
            Self::Http2Tls => "HTTP/2+TLS",
        }
    }

    pub(super) const fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    pub(super) const fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}
