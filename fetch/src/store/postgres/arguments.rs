//! Values for statements.

use uuid::Uuid;

/// Ids for `= ANY` and `unnest`.
pub(super) fn ids<I: Copy + Into<Uuid>>(ids: &[I]) -> Vec<Uuid> {
    ids.iter().map(|id| (*id).into()).collect()
}
