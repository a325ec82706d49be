//! Downloads one file by its id.

use std::path::{Path, PathBuf};

use nudge_client_sdk::{ErrorCode, Medium};
use serde_json::json;

use crate::{
    bars, cli::Download, failure::Failure, free_name, human, output::Format, profile::Profile,
};

pub(crate) async fn run(download: Download) -> Result<(), Failure> {
    let profile = Profile::find(&download.account)?;
    let (client, _) = profile.open_for_requests().await?;
    let medium = client.medium(download.medium).await.map_err(|error| match error.code() {
        Some(ErrorCode::NotFound) => {
            Failure::new(format!("there is no file {} for you here", download.medium))
        }
        _ => error.into(),
    })?;
    let target = match download.output {
        Some(folder) if folder.is_dir() => free_path(&folder, &medium)?,
        Some(path) => path,
        None => free_path(Path::new(""), &medium)?,
    };
    let done = bars::follow_download(&mut client.download(&medium, target)).await?;
    client.close().await;
    let path = done.path.display().to_string();
    let size = human::bytes(done.bytes);
    let resumed = match done.resumed_from {
        0 => String::new(),
        from => format!(", {} of it were here before", human::bytes(from)),
    };
    Format::json_if(download.json).print(
        &json!({
            "type": "saved",
            "medium_id": medium.id,
            "file_name": medium.file_name,
            "path": path,
            "bytes": done.bytes,
            "sha256": hex::encode(done.sha256),
            "resumed_from": done.resumed_from,
            "bytes_fetched": done.bytes_fetched,
        }),
        format!("saved {}, {size}, SHA-256 verified{resumed}", human::safe_line(&path)),
    )
}

/// The sender's name for it, or the next that is free.
fn free_path(folder: &Path, medium: &Medium) -> Result<PathBuf, Failure> {
    free_name::candidates(folder, &medium.safe_file_name())
        .find(|path| !path.exists())
        .ok_or_else(|| Failure::new("there is no free name here: give one with --output"))
}
