//! The servers that the story happens on.

use std::path::Path;

use super::findings::Findings;
use crate::{failure::Failure, settings::Embedded, system::System};

/// One of the demo's own, or what runs already.
pub(super) enum Servers {
    /// In this process, over a folder of the demo's.
    Own(Box<System>),
    /// Wherever, and perhaps with other people on it.
    Running {
        /// What Ada's app talks to.
        adas: String,
        /// What Bob's apps talk to.
        bobs: String,
    },
}

impl Servers {
    /// Those that are named, Ada's first; without any, one is started over `folder`.
    pub(super) async fn reach(
        named: &[String],
        folder: &Path,
        findings: &mut Findings,
    ) -> Result<Self, Failure> {
        let (adas, bobs) = match named {
            [] => return Self::start(&folder.join("server"), findings).await,
            [both] => (both.clone(), both.clone()),
            [adas, bobs, ..] => (adas.clone(), bobs.clone()),
        };
        findings.happened(format!("ada's app talks to {adas}, bob's to {bobs}"));
        Ok(Self::Running { adas, bobs })
    }

    async fn start(data_dir: &Path, findings: &mut Findings) -> Result<Self, Failure> {
        let system = System::start(Embedded::anywhere(data_dir.to_owned())).await?;
        let (url, signal) = (system.server().url(), system.server().front().signal);
        findings.happened(format!("server ready at {url}, signaling at {signal}"));
        Ok(Self::Own(Box::new(system)))
    }

    /// What Ada's app talks to, and what Bob's does.
    pub(super) fn urls(&self) -> [String; 2] {
        match self {
            Self::Own(system) => [system.server().url(), system.server().url()],
            Self::Running { adas, bobs } => [adas.clone(), bobs.clone()],
        }
    }

    /// A handle that nobody has there.
    pub(super) fn handle(&self, name: &str) -> String {
        match self {
            Self::Own(_) => name.to_owned(),
            Self::Running { .. } => {
                let tail = std::iter::repeat_with(|| fastrand::char('a'..='z')).take(10);
                format!("{name}-{}", tail.collect::<String>())
            }
        }
    }

    /// Whether they go on without the demo, and with what it leaves behind.
    pub(super) const fn outlive(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Stops the demo's own.
    pub(super) async fn leave(self) {
        if let Self::Own(system) = self {
            system.shutdown().await;
        }
    }
}
