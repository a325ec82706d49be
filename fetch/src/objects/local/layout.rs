//! Where an upload lies in a directory: `[[fence, length], ..]`, in the order of the bytes.

use nudge_proto::MediumId;
use serde::{Deserialize, Serialize};

use crate::objects::{Layout, ObjectError};

/// What counts of one request's file, from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub(super) struct Segment {
    /// Names the file.
    pub(super) fence: u64,
    /// The file may be longer.
    pub(super) length: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Segments(pub(super) Vec<Segment>);

impl Segments {
    pub(super) fn parse(id: MediumId, layout: &Layout) -> Result<Self, ObjectError> {
        if layout.0.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&layout.0)
            .map_err(|_| ObjectError::Layout { id, layout: layout.0.clone() })
    }

    /// With what counts of one more file.
    pub(super) fn with(&self, last: Segment) -> Layout {
        let all: Vec<_> = self.0.iter().chain(Some(&last)).collect();
        Layout(serde_json::json!(all).to_string())
    }

    pub(super) fn length(&self) -> u64 {
        self.0.iter().map(|segment| segment.length).sum()
    }
}

impl From<(u64, u64)> for Segment {
    fn from((fence, length): (u64, u64)) -> Self {
        Self { fence, length }
    }
}

impl From<Segment> for (u64, u64) {
    fn from(segment: Segment) -> Self {
        (segment.fence, segment.length)
    }
}
