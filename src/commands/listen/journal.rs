//! Prints every line once, whatever kills the program in between.
//!
//! Printing and noting that it was printed are two steps, and a kill may come between them. When the
//! output is a file, the step that is about to be taken is noted first, and the next run looks into
//! that file whether it was taken. A pipe or a terminal cannot be asked afterwards: there, a kill in
//! the microseconds between the two steps repeats the one line.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{failure::Failure, output};

/// The lines that were printed, over all runs.
#[derive(Debug)]
pub(super) struct Journal {
    out: File,
    /// Whether the output can be asked later what is in it.
    is_file: bool,
    file: File,
    record: Record,
}

/// A line: the update that it belongs to, and which of that update's lines it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Mark {
    pub(super) position: u64,
    pub(super) line: u32,
}

/// What stands in the journal's file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
struct Record {
    /// Positions mean something for this device alone.
    device: String,
    /// Everything up to here was printed.
    printed: Mark,
    /// What is about to be printed.
    next: Option<Next>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Next {
    mark: Mark,
    /// Where in the output's file.
    offset: u64,
    /// In bytes.
    length: u64,
    /// The first half of its SHA-256.
    digest: String,
}

/// Which file the output of a run goes to.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Target {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Journal {
    /// Opens the journal in `folder` for a run that prints to `out`.
    pub(super) fn open(folder: &Path, device: String, out: File) -> Result<Self, Failure> {
        let path = folder.join(JOURNAL_FILE);
        let named = |error| Failure::new(format!("cannot use {}: {error}", path.display()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(named)?;
        let last: Option<Record> = serde_json::from_reader(&file).ok();
        let mut record = last.filter(|last| last.device == device).unwrap_or_default();
        record.device = device;
        let target_path = folder.join(TARGET_FILE);
        if let Some(next) = record.next.take()
            && was_printed(&target_path, &next)
        {
            record.printed = next.mark;
        }
        let target = target(&out);
        let journal = Self { out, is_file: target.is_some(), file, record };
        // First what the last run did, and only then where this one prints.
        journal.write().map_err(named)?;
        if let Some(target) = target {
            fs::write(&target_path, serde_json::to_vec(&target)?)
                .map_err(|error| Failure::new(format!("{}: {error}", target_path.display())))?;
        }
        Ok(journal)
    }

    /// Whether this line was printed, in this run or an earlier one.
    pub(super) fn has(&self, mark: Mark) -> bool {
        mark <= self.record.printed
    }

    /// Prints a line that was not printed before.
    pub(super) fn print(&mut self, mark: Mark, line: &str) -> Result<(), Failure> {
        if self.is_file {
            self.announce(mark, line)?;
        }
        output::write(&mut self.out, line)?;
        self.record.printed = mark;
        self.record.next = None;
        self.write()?;
        Ok(())
    }

    fn announce(&mut self, mark: Mark, line: &str) -> io::Result<()> {
        let offset = self.out.metadata()?.len();
        let length = line.len() as u64;
        self.record.next = Some(Next { mark, offset, length, digest: digest(line.as_bytes()) });
        self.write()
    }

    /// In one write of one block: a kill leaves the old record or the new one.
    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_string(&self.record)?;
        text.extend(std::iter::repeat_n(' ', RECORD_BYTES.saturating_sub(text.len())));
        self.file.write_all_at(text.as_bytes(), 0)
    }
}

/// The file behind `out`, if it is one and has a name.
fn target(out: &File) -> Option<Target> {
    let metadata = out.metadata().ok().filter(fs::Metadata::is_file)?;
    let path = fs::read_link(format!("/proc/self/fd/{}", out.as_fd().as_raw_fd())).ok()?;
    Some(Target { path, device: metadata.dev(), inode: metadata.ino() })
}

/// Whether the line stands where it was to be printed, in the file that the last run printed to.
fn was_printed(target: &Path, next: &Next) -> bool {
    let look = || {
        let target: Target = serde_json::from_slice(&fs::read(target)?)?;
        let file = File::open(&target.path)?;
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) != (target.device, target.inode)
            || metadata.len() < next.offset + next.length
        {
            return Ok(false);
        }
        let mut found = vec![0; usize::try_from(next.length).map_err(io::Error::other)?];
        file.read_exact_at(&mut found, next.offset)?;
        io::Result::Ok(digest(&found) == next.digest)
    };
    look().unwrap_or(false)
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

const JOURNAL_FILE: &str = "listen.json";
const TARGET_FILE: &str = "listen-output.json";
/// Longer than any record.
const RECORD_BYTES: usize = 384;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Mark = Mark { position: 7, line: 0 };
    const SECOND: Mark = Mark { position: 7, line: 1 };
    const THIRD: Mark = Mark { position: 9, line: 0 };

    struct Place(tempfile::TempDir);

    impl Place {
        fn run(&self, output: &str) -> Journal {
            let path = self.0.path().join(output);
            let out = OpenOptions::new().create(true).append(true).open(path).unwrap();
            Journal::open(self.0.path(), "device".to_owned(), out).unwrap()
        }
    }

    #[test]
    fn the_next_run_knows_what_was_printed() {
        let place = Place(tempfile::tempdir().unwrap());
        let mut journal = place.run("out");
        journal.print(FIRST, "one\n").unwrap();
        journal.print(SECOND, "two\n").unwrap();
        drop(journal);
        let journal = place.run("another");
        assert!(journal.has(FIRST) && journal.has(SECOND) && !journal.has(THIRD));
    }

    #[test]
    fn a_kill_before_the_line_was_printed_leaves_it_to_the_next_run() {
        let place = Place(tempfile::tempdir().unwrap());
        let mut journal = place.run("out");
        journal.print(FIRST, "one\n").unwrap();
        journal.announce(SECOND, "two\n").unwrap();
        drop(journal);
        let journal = place.run("out");
        assert!(journal.has(FIRST) && !journal.has(SECOND));
    }

    #[test]
    fn a_kill_right_after_the_line_was_printed_does_not_repeat_it() {
        let place = Place(tempfile::tempdir().unwrap());
        let mut journal = place.run("out");
        journal.announce(FIRST, "one\n").unwrap();
        output::write(&mut journal.out, "one\n").unwrap();
        drop(journal);
        assert!(place.run("another").has(FIRST));
        assert!(place.run("a third").has(FIRST));
    }

    #[test]
    fn half_a_line_is_no_line() {
        let place = Place(tempfile::tempdir().unwrap());
        let mut journal = place.run("out");
        journal.announce(FIRST, "one\n").unwrap();
        output::write(&mut journal.out, "on").unwrap();
        drop(journal);
        assert!(!place.run("out").has(FIRST));
    }

    #[test]
    fn positions_of_another_device_mean_nothing() {
        let place = Place(tempfile::tempdir().unwrap());
        place.run("out").print(THIRD, "one\n").unwrap();
        let out = File::create(place.0.path().join("out")).unwrap();
        let journal = Journal::open(place.0.path(), "another".to_owned(), out).unwrap();
        assert!(!journal.has(FIRST));
    }

    #[test]
    fn a_record_fits_its_block() {
        let mark = Mark { position: u64::MAX, line: u32::MAX };
        let digest = digest(b"");
        let next = Next { mark, offset: u64::MAX, length: u64::MAX, digest };
        let device = nudge_client_sdk::DeviceId::random().to_string();
        let record = Record { device, printed: mark, next: Some(next) };
        let length = serde_json::to_vec(&record).unwrap().len();
        assert!(length <= RECORD_BYTES, "{length}");
    }
}
