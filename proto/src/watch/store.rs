use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Which store a fetch node serves: a signal node holds the sessions of one.
///
/// It comes with the answer to the call that opens a watch, before anything else is said: as the value of
/// [`StoreId::HEADER`]. A fetch node that is too old to know the header says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub Uuid);

impl StoreId {
    /// The gRPC metadata that it travels in.
    pub const HEADER: &'static str = "nudge-store-id";
}

/// What is no id of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of {} is no id of a store", StoreId::HEADER)]
pub struct InvalidStoreId;

impl fmt::Display for StoreId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for StoreId {
    type Err = InvalidStoreId;

    fn from_str(text: &str) -> Result<Self, InvalidStoreId> {
        text.parse().map(Self).map_err(|_| InvalidStoreId)
    }
}
