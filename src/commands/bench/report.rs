//! Figures, for people and for programs.

use std::fmt;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Named figures in their order.
#[derive(Default)]
pub(super) struct Report {
    title: String,
    lines: Vec<(String, String)>,
    json: Map<String, Value>,
}

impl Report {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a figure: its name in JSON, and its line for people.
    pub(super) fn add(
        &mut self,
        name: &str,
        value: impl Into<Value>,
        label: &str,
        text: impl ToString,
    ) {
        self.json.insert(name.to_owned(), value.into());
        self.lines.push((label.to_owned(), text.to_string()));
    }

    /// Prints it.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(&self.json)?);
        } else {
            println!("{self}");
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.title)?;
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, text) in &self.lines {
            write!(formatter, "\n  {label:width$}  {text}")?;
        }
        Ok(())
    }
}
