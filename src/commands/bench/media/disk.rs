//! How fast the disk takes bytes.

use std::time::Instant;

use tokio::process::Command;

use crate::failure::Failure;

/// Writes that many MiB with dd and syncs them once; the seconds.
pub(super) async fn dd(mib: u64) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let done = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M", "conv=fsync", &format!("count={mib}")])
        .arg(format!("of={}", folder.path().join("bytes").display()))
        .output()
        .await?;
    if !done.status.success() {
        return Err(Failure::new(format!("dd: {}", String::from_utf8_lossy(&done.stderr))));
    }
    Ok(began.elapsed().as_secs_f64())
}
