use std::sync::Arc;

use nudge_fetch::{
    FetchConfig,
    durable::make_directory,
    store::{Database, Store},
};

use crate::{cli::Migrate, failure::Failure};

/// Opening the store is what migrates it.
pub(crate) async fn run(migrate: Migrate) -> Result<(), Failure> {
    let config = migrate.data.resolve()?;
    let store = open_store(&config).await?;
    let place = match &config.database {
        Database::Sqlite(_) => config.database_path().display().to_string(),
        Database::Postgres(_) => "the database".to_owned(),
    };
    let identity = store.identity().await?;
    store.close().await;
    println!("{} is up to date (store {}, epoch {})", place, identity.store_id, identity.epoch);
    Ok(())
}

/// The store, for as long as no server uses it.
pub(super) async fn open_store(config: &FetchConfig) -> Result<Arc<dyn Store>, Failure> {
    make_directory(&config.data_dir).map_err(|error| {
        Failure::configuration(format!("cannot make {}: {error}", config.data_dir.display()))
    })?;
    config.database.open(&config.data_dir).await.map_err(Failure::configuration)
}
