//! The main job end to end, told as a story, measured and judged.

mod cut;
mod findings;
mod observer;
mod people;
mod servers;
mod source;
mod story;
mod timeline;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{cli::Demo, failure::Failure, stop::Stop};
use findings::Findings;
use source::Source;
use timeline::Timeline;

pub(crate) async fn run(demo: Demo) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    if demo.server.len() > 2 {
        return Err(Failure::configuration(
            "--server may be given once or twice: for Ada and for Bob",
        ));
    }
    let source = Source::open(demo.file).await?;
    let stage = Stage::new(demo.keep)?;
    if !demo.json {
        println!("Ada sends Bob {}, {} bytes.\n", source.path.display(), source.size);
    }
    let mut findings = Findings::new(&source, Timeline::new(!demo.json));
    let told = tokio::select! {
        told = story::tell(&source, &demo.server, stage.folder(), &mut findings) => told,
        // The temporary folder goes, too.
        () = stop.asked() => return Err(Failure::new("the demo was broken off")),
    };
    findings.judge(told.err());
    if demo.json {
        println!("{}", findings.to_json()?);
    } else {
        print!("{findings}");
        if let Stage::Kept(folder) = &stage {
            println!("Everything is in {}.", folder.display());
        }
    }
    if findings.ok() { Ok(()) } else { Err(Failure::new("not everything was as promised")) }
}

/// Where it all happens.
enum Stage {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Stage {
    fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(folder) = keep else {
            return Ok(Self::Temporary(tempfile::tempdir()?));
        };
        let named = |error| Failure::configuration(format!("--keep {}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(named)?;
        if std::fs::read_dir(&folder).map_err(named)?.next().is_some() {
            return Err(Failure::configuration(format!(
                "--keep {} is not empty: name a new folder",
                folder.display()
            )));
        }
        Ok(Self::Kept(folder))
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}
