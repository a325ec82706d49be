use nudge_fetch::store::{
    Upkeep,
    sqlite::{SqliteOptions, SqliteStore},
};

use crate::{cli::Migrate, failure::Failure};

/// Opening the store is what migrates it.
pub(crate) async fn run(migrate: Migrate) -> Result<(), Failure> {
    std::fs::create_dir_all(&migrate.data_dir).map_err(|error| {
        Failure::configuration(format!("cannot make {}: {error}", migrate.data_dir.display()))
    })?;
    let path = migrate.data_dir.join("nudge.db");
    let store = SqliteStore::open(&path, &SqliteOptions::default())
        .await
        .map_err(Failure::configuration)?;
    let identity = store.identity().await?;
    store.close().await;
    println!(
        "{} is up to date (store {}, epoch {})",
        path.display(),
        identity.store_id,
        identity.epoch
    );
    Ok(())
}
