//! The system calls of a server, as `strace` writes them down, and whether what was answered was on disk
//! by then (P1).
//!
//! A process that dies shows no missing sync, because the kernel keeps what was written: only the calls
//! themselves show it.

mod call;

use std::{collections::HashMap, fmt};

use call::{Call, calls};

/// The calls that [`Trace`] needs to see, and in the form it reads; `-o FILE` is to be added.
pub const STRACE: &[&str] = &[
    "strace",
    "-f",
    "-yy",
    // A page of the database, whole.
    "-s",
    "4400",
    "-e",
    "trace=read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync",
];

/// What a server did, in the order in which it began and ended.
#[derive(Debug)]
pub struct Trace(Vec<Call>);

/// A request, and what must be on disk when it is answered with success.
#[derive(Clone, Debug)]
pub struct Promise {
    /// How the request begins: "PUT /v1/…".
    pub request: String,
    /// What must be written and synced, one after the other.
    pub steps: Vec<Step>,
}

/// Something that must be written to a file, and the file then be synced.
#[derive(Clone, Debug)]
pub struct Step {
    /// Part of the file's path.
    pub file: String,
    /// What the bytes contain, where that can be told.
    pub content: Option<String>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// See [`Promise::request`].
    pub request: String,
    /// How.
    pub how: HowBroken,
}

/// How a promise was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HowBroken {
    /// The trace holds no such request: it says nothing.
    NotAsked,
    /// The trace holds no answer to it that is a success: it says nothing.
    NotAnswered,
    /// Nothing fitting was written to this file before the answer.
    NotWritten {
        /// See [`Step::file`].
        file: String,
    },
    /// It was written, and answered before the file was synced.
    NotSynced {
        /// See [`Step::file`].
        file: String,
    },
}

impl Trace {
    /// Reads what `strace` wrote, called as [`STRACE`] says.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(calls(text))
    }

    /// Whether the request's success was told only after everything it promises was on disk.
    ///
    /// # Errors
    ///
    /// [`Broken`] says how not.
    pub fn check(&self, promise: &Promise) -> Result<(), Broken> {
        let broken = |how| Err(Broken { request: promise.request.clone(), how });
        let Some(asked) = self.asked(&promise.request) else {
            return broken(HowBroken::NotAsked);
        };
        let answer = self.0.iter().filter(|call| call.writes() && call.file == asked.file);
        let mut after = answer.filter(|call| call.begun > asked.done);
        let answer = after.find(|call| call.text.contains("HTTP/1.1 "));
        let Some(answer) = answer.filter(|answer| answer.text.contains("HTTP/1.1 20")) else {
            return broken(HowBroken::NotAnswered);
        };
        let mut reached = asked.done;
        for step in &promise.steps {
            match self.synced(step, reached, answer.begun) {
                Ok(done) => reached = done,
                Err(how) => return broken(how),
            }
        }
        Ok(())
    }

    /// The call that read the request's beginning, which may have come in pieces.
    fn asked(&self, request: &str) -> Option<&Call> {
        let mut read = HashMap::<&str, String>::new();
        self.0.iter().filter(|call| call.reads() && call.result > 0).find(|call| {
            let read = read.entry(&call.file).or_default();
            read.push_str(call.bytes());
            let found = read.contains(request);
            let kept = read.ceil_char_boundary(read.len().saturating_sub(request.len()));
            read.drain(..kept);
            found
        })
    }

    /// When the step, begun after `from`, was done, which must be before `until`.
    fn synced(&self, step: &Step, from: usize, until: usize) -> Result<usize, HowBroken> {
        let between = |call: &&Call| call.begun > from && call.done < until;
        let of_file = |call: &&Call| call.file.contains(&step.file) && call.result >= 0;
        let written = self.0.iter().filter(between).filter(of_file).find(|call| {
            let fits = step.content.as_ref().is_none_or(|content| call.text.contains(content));
            call.writes() && fits
        });
        let file = || step.file.clone();
        let written = written.ok_or_else(|| HowBroken::NotWritten { file: file() })?;
        let synced = self.0.iter().filter(between).find(|call| {
            call.syncs()
                && call.result == 0
                && call.file == written.file
                && call.begun > written.done
        });
        synced.map(|call| call.done).ok_or_else(|| HowBroken::NotSynced { file: file() })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, how } = self;
        match how {
            HowBroken::NotAsked => write!(formatter, "{request}: not in the trace"),
            HowBroken::NotAnswered => write!(formatter, "{request}: no success in the trace"),
            HowBroken::NotWritten { file } => {
                write!(formatter, "{request}: answered before {file} was written (P1)")
            }
            HowBroken::NotSynced { file } => {
                write!(formatter, "{request}: answered before {file} was synced (P1)")
            }
        }
    }
}

impl std::error::Error for Broken {}
