//! The JSON form of the fields that serde would write in another way.

/// Bytes as base64 with padding (RFC 4648, section 4).
pub mod base64 {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes bytes as text.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads text as bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| D::Error::custom(format!("not base64 with padding: {error}")))?;
        Ok(Bytes::from(bytes))
    }
}

/// An enum's value as its lower-case name without the type's prefix.
macro_rules! enum_as_word {
    ($(#[$doc:meta])* $module:ident, $type:ident, $prefix:literal) => {
        $(#[$doc])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            use crate::pb::content::$type;

            /// Writes the value as a word; an unknown number as `unspecified`.
            pub fn serialize<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&word(*value))
            }

            /// Reads a word; an unknown one is an error.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
                let word = String::deserialize(deserializer)?;
                parse(&word).ok_or_else(|| D::Error::custom(format!("unknown value {word:?}")))
            }

            fn word(value: i32) -> String {
                let value = $type::try_from(value).unwrap_or_default();
                value.as_str_name()[$prefix.len()..].to_ascii_lowercase()
            }

            fn parse(word: &str) -> Option<i32> {
                if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return None;
                }
                let name = format!("{}{}", $prefix, word.to_ascii_uppercase());
                $type::from_str_name(&name).map(Into::into)
            }

            /// The same for a field that may be absent.
            pub mod optional {
                use serde::{Deserialize, Deserializer, Serializer, de::Error};

                /// Writes the value as a word.
                pub fn serialize<S: Serializer>(
                    value: &Option<i32>,
                    serializer: S,
                ) -> Result<S::Ok, S::Error> {
                    match value {
                        Some(value) => super::serialize(value, serializer),
                        None => serializer.serialize_none(),
                    }
                }

                /// Reads a word or null.
                pub fn deserialize<'de, D: Deserializer<'de>>(
                    deserializer: D,
                ) -> Result<Option<i32>, D::Error> {
                    let Some(word) = Option::<String>::deserialize(deserializer)? else {
                        return Ok(None);
                    };
                    super::parse(&word)
                        .map(Some)
                        .ok_or_else(|| D::Error::custom(format!("unknown value {word:?}")))
                }
            }
        }
    };
}

enum_as_word!(
    /// `direct` or `group`.
    conversation_kind, ConversationKind, "CONVERSATION_KIND_"
);
enum_as_word!(
    /// `member` or `admin`.
    role, Role, "ROLE_"
);
enum_as_word!(
    /// `created`, `joined`, `left`, `removed`, `role` or `title`.
    change_kind, ChangeKind, "CHANGE_KIND_"
);
