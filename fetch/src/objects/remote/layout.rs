//! Where an upload lies in an object store.

use nudge_proto::MediumId;
use serde::{Deserialize, Serialize};

use crate::objects::{Layout, Multipart, ObjectError, ObjectName};

/// Everything committed, in the order of the bytes: sealed objects, the run, the tail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lies {
    /// Objects that runs became before their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sealed: Vec<Piece>,
    /// Parts of a multipart upload that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Run>,
    /// An object with what is too small for a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<Piece>,
}

/// An object whose bytes are some of the upload's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) name: ObjectName,
    pub(super) length: u64,
}

/// A multipart upload that one writer after the other goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// The object that it becomes.
    pub(super) name: ObjectName,
    /// The object store's id for it.
    pub(super) multipart: String,
    /// The object store's words for each part, from the first.
    pub(super) parts: Vec<String>,
    /// Bytes of the parts.
    pub(super) length: u64,
    /// The next part may be on its way: only who said so may put it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) putting: bool,
}

impl Lies {
    pub(super) fn parse(id: MediumId, layout: &Layout) -> Result<Self, ObjectError> {
        if layout.0.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&layout.0)
            .map_err(|_| ObjectError::Layout { id, layout: layout.0.clone() })
    }

    /// As it is committed.
    pub(super) fn layout(&self) -> Layout {
        Layout(serde_json::json!(self).to_string())
    }

    /// As it is committed before a part is put.
    pub(super) fn putting(&self) -> Layout {
        let run = self.run.clone().map(|run| Run { putting: true, ..run });
        Self { run, ..self.clone() }.layout()
    }

    /// Bytes in all.
    pub(super) fn length(&self) -> u64 {
        self.in_parts() + self.tail.as_ref().map_or(0, |tail| tail.length)
    }

    /// Bytes before the tail.
    pub(super) fn in_parts(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|piece| piece.length).sum();
        sealed + self.run.as_ref().map_or(0, |run| run.length)
    }

    /// The names of the objects that are there.
    pub(super) fn objects(&self) -> impl Iterator<Item = &ObjectName> {
        self.sealed.iter().chain(&self.tail).map(|piece| &piece.name)
    }
}

impl Run {
    pub(super) fn new(multipart: Multipart) -> Self {
        let Multipart { name, id } = multipart;
        Self { name, multipart: id, parts: Vec::new(), length: 0, putting: false }
    }

    pub(super) fn multipart(&self) -> Multipart {
        Multipart { name: self.name.clone(), id: self.multipart.clone() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Bytes of every part but the last: the least that S3 takes. Also what a request commits at a time.
pub(super) const PART_BYTES: u64 = 5 << 20;
/// Parts of one multipart upload at most, as S3 has it.
const PARTS_MAX: u64 = 10_000;
/// The largest medium that an object store takes, in bytes.
pub const MEDIUM_BYTES_MAX: u64 = PARTS_MAX * PART_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_reads_as_it_was_written_and_stays_readable() {
        let name = |name: &str| ObjectName(name.to_owned());
        let run = Run {
            name: name("b"),
            multipart: "m".to_owned(),
            parts: vec!["\"e1\"".to_owned()],
            length: PART_BYTES,
            putting: false,
        };
        let lies = Lies {
            sealed: vec![Piece { name: name("a"), length: 2 * PART_BYTES }],
            run: Some(run),
            tail: Some(Piece { name: name("c"), length: 7 }),
        };
        let text = r#"{"run":{"length":5242880,"multipart":"m","name":"b","parts":["\"e1\""]},"sealed":[{"length":10485760,"name":"a"}],"tail":{"length":7,"name":"c"}}"#;
        assert_eq!(lies.layout().0, text);
        assert_eq!(Lies::parse(MediumId::random(), &Layout(text.to_owned())).unwrap(), lies);
        let putting = Lies::parse(MediumId::random(), &lies.putting()).unwrap();
        assert!(putting.run.as_ref().unwrap().putting);
        assert_eq!(putting.layout(), lies.putting(), "whoever said it");
        assert_eq!(lies.length(), 3 * PART_BYTES + 7);
        assert_eq!(Lies::parse(MediumId::random(), &Layout::default()).unwrap(), Lies::default());
        assert!(Lies::parse(MediumId::random(), &Layout("[[1,2]]".to_owned())).is_err());
    }
}
