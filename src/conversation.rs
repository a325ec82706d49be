//! What is said in conversations, as the terminal shows it.

mod lines;
pub(crate) use lines::{Line, change, history_item, message, not_saved, receipt, resynced, saved};

mod names;
pub(crate) use names::Names;
