use std::{path::Path, sync::Arc};

use super::{LocalObjects, ObjectError, Objects, ObjectsConfig, RemoteObjects, StoreLedger};
use crate::store::Store;

/// Opens the configured place for its store; `in_data_dir` is the directory that is used without a
/// configuration.
///
/// # Errors
///
/// Within ten seconds: that it cannot be used, or is not this store's.
pub async fn open(
    config: &ObjectsConfig,
    in_data_dir: &Path,
    store: &Arc<dyn Store>,
) -> Result<Arc<dyn Objects>, ObjectError> {
    let owner = store.as_ref();
    Ok(match config {
        ObjectsConfig::InDataDir => Arc::new(LocalObjects::open(in_data_dir, owner).await?),
        ObjectsConfig::Directory { path, .. } => Arc::new(LocalObjects::open(path, owner).await?),
        ObjectsConfig::Remote(remote) => {
            let ledger = Arc::new(StoreLedger(Arc::clone(store)));
            Arc::new(RemoteObjects::open(remote, owner, ledger).await?)
        }
    })
}
