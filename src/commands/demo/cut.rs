//! A download that the death of its app cuts.

use std::path::Path;

use nudge_client_sdk::{Downloaded, Error, Medium};
use nudge_proto::limits::PART_BYTES;
use tokio::task::yield_now;

use super::people::{Account, Person};
use crate::failure::Failure;

/// What became of a download that was to be cut.
#[derive(Debug)]
pub(super) enum Cut {
    /// The app closed when so many bytes had come.
    At(u64),
    /// The file was too small, or there sooner than the app could close.
    Missed(Downloaded),
}

/// Files that are smaller arrive in one piece; somewhat larger ones may.
const CUT_BYTES_MIN: u64 = 1024 * 1024;
/// How often the cut is tried: the network of one machine may be quicker than the cut.
const ATTEMPTS: u32 = 20;

/// Whether a download of so many bytes may be cut at all.
pub(super) const fn is_possible(size: u64) -> bool {
    size >= CUT_BYTES_MIN
}

/// Whether it must be: so many bytes take longer than the app to close.
pub(super) const fn is_certain(size: u64) -> bool {
    size >= PART_BYTES
}

/// Downloads, closes the app when half has arrived, and opens it again.
///
/// When everything was there before the app was gone, it is taken away again, and so on.
pub(super) async fn download_and_cut(
    account: &Account,
    mut person: Person,
    medium: &Medium,
    target: &Path,
) -> Result<(Cut, Person), Failure> {
    let mut attempt = 1;
    loop {
        let cut = download_until(medium.size / 2, person, medium, target).await?;
        person = account.open().await?;
        match cut {
            Cut::Missed(_) if attempt < ATTEMPTS => std::fs::remove_file(target)?,
            Cut::At(bytes) if bytes == medium.size && attempt < ATTEMPTS => {
                forget(&person, medium, target).await?;
            }
            Cut::At(_) | Cut::Missed(_) => return Ok((cut, person)),
        }
        attempt += 1;
    }
}

async fn download_until(
    bytes: u64,
    person: Person,
    medium: &Medium,
    target: &Path,
) -> Result<Cut, Failure> {
    let mut download = person.client.download(medium, target);
    while download.progress().bytes_done < bytes {
        tokio::select! {
            finished = download.finished() => {
                person.client.close().await;
                return Ok(Cut::Missed(finished?));
            }
            () = yield_now() => {}
        }
    }
    person.client.close().await;
    match download.finished().await {
        Err(Error::Cancelled) => Ok(Cut::At(download.progress().bytes_done)),
        finished => Ok(Cut::Missed(finished?)),
    }
}

/// Takes away what a download left that had everything but its name.
async fn forget(person: &Person, medium: &Medium, target: &Path) -> Result<(), Failure> {
    let mut download = person.client.download(medium, target);
    download.cancel();
    match download.finished().await {
        Err(Error::Cancelled) => Ok(()),
        // It was quicker than the word to give it up.
        finished => {
            finished?;
            Ok(std::fs::remove_file(target)?)
        }
    }
}
