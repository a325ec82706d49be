//! Values for statements.

use serde::Serialize;

use crate::store::StoreError;

/// Values for `json_each`: one statement, however many. Ids are text there, for `unhex(_, '-')`.
pub(super) fn json<T: Serialize>(values: &T) -> Result<String, StoreError> {
    serde_json::to_string(values)
        .map_err(|error| StoreError::Damaged(format!("values that are no JSON: {error}")))
}
