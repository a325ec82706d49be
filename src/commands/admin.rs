use nudge_fetch::Clock;

use super::migrate::open_store;
use crate::{
    cli::{Admin, AdminAction, DataFolder},
    failure::Failure,
};

pub(crate) async fn run(admin: Admin) -> Result<(), Failure> {
    match admin.action {
        AdminAction::NewEpoch(data) => new_epoch(data).await,
    }
}

async fn new_epoch(data: DataFolder) -> Result<(), Failure> {
    let config = data.resolve()?;
    let database = config.database_path();
    if !database.exists() {
        return Err(Failure::configuration(format!(
            "{} does not exist: restore the backup first, or name the folder with --data-dir",
            database.display()
        )));
    }
    let store = open_store(&config).await?;
    let epoch = store.new_epoch(Clock::system().now()).await?;
    store.close().await;
    println!("{} is in epoch {epoch}", database.display());
    Ok(())
}
