//! What a signal node calls itself.

use std::{fmt, str::FromStr};

use crate::limits::NODE_NAME_BYTES_MAX;

/// A node's name, for its operator to know it by; nothing depends on it. Travels as [`NodeName::HEADER`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeName(Box<str>);

/// A text that is no [`NodeName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a node's name has 1 to {NODE_NAME_BYTES_MAX} visible ASCII characters, without spaces, and {0:?} has not"
)]
pub struct InvalidNodeName(String);

impl NodeName {
    /// The header of the call that opens a watch.
    pub const HEADER: &'static str = "nudge-node";

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > NODE_NAME_BYTES_MAX || !is_visible {
            return Err(InvalidNodeName(text.chars().take(NODE_NAME_BYTES_MAX).collect()));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_word_of_bounded_length() {
        let longest = "n".repeat(NODE_NAME_BYTES_MAX);
        for name in ["signal-1", "worker-3.example.org:7400", &longest] {
            assert_eq!(name.parse::<NodeName>().unwrap().to_string(), name);
        }
        for text in ["", "two words", "tab\t", "\u{202e}", &format!("{longest}n")] {
            let said = text.parse::<NodeName>().unwrap_err().to_string();
            assert!(said.contains("128 visible"), "{said}");
        }
    }
}
