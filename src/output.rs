//! What a command prints: JSON, one object a line, or lines for people.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

use crate::failure::Failure;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Text,
}

impl Format {
    /// As the flag says.
    pub(crate) const fn json_if(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// One thing as a line, or several for people.
    pub(crate) fn line(self, value: &impl Serialize, text: impl Display) -> String {
        match self {
            Self::Json => serde_json::json!(value).to_string() + "\n",
            Self::Text => format!("{text}\n"),
        }
    }

    /// Prints one thing.
    pub(crate) fn print(self, value: &impl Serialize, text: impl Display) -> Result<(), Failure> {
        write(&mut io::stdout(), &self.line(value, text))
    }
}

/// Writes all of it, at once.
pub(crate) fn write(to: &mut impl Write, line: &str) -> Result<(), Failure> {
    match to.write_all(line.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::nobody_reads()),
        Err(error) => Err(Failure::new(format!("cannot print: {error}"))),
    }
}
