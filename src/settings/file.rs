//! From keys of the configuration file to flags.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Command, parser::ValueSource};
use config::{Config, ConfigError, FileFormat, Value, ValueKind};

use crate::failure::Failure;

/// The command line with what the configuration file says where flags and variables say nothing.
///
/// `matches` is what the command line alone came to.
pub(crate) fn arguments_with_file(
    mut arguments: Vec<OsString>,
    mut command: Command,
    matches: &ArgMatches,
) -> Result<Vec<OsString>, Failure> {
    command.build();
    let (leaf, matches) = leaf(&command, matches);
    let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") else { return Ok(arguments) };
    let is_server = SERVERS.contains(&leaf.get_name());
    for (key, value) in read(path)? {
        let wrong = |what: String| {
            Failure::configuration(format!("{}: the setting {key:?} {what}", path.display()))
        };
        let Some((id, flag)) = flag_of(leaf, &key) else {
            let takers = takers(&command, &key);
            if takers.is_empty() {
                return Err(wrong("is unknown: see --help for all there are".to_owned()));
            }
            if is_server {
                return Err(wrong(format!("is not one of this command, but of {takers}")));
            }
            // A server's file, read for the few settings that concern this command.
            continue;
        };
        let given = matches.value_source(id);
        if matches!(given, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        for value in values(value).map_err(&wrong)? {
            arguments.push(format!("--{flag}={value}").into());
        }
    }
    Ok(arguments)
}

/// Commands that take nothing but what concerns them.
const SERVERS: [&str; 3] = ["serve", "fetch", "signal"];
/// What is about the call and not about the server.
const NOT_IN_A_FILE: [&str; 5] = ["config", "json", "check", "help", "version"];

fn leaf<'c>(
    mut command: &'c Command,
    mut matches: &'c ArgMatches,
) -> (&'c Command, &'c ArgMatches) {
    while let Some((name, inner)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        (command, matches) = (subcommand, inner);
    }
    (command, matches)
}

/// The flag that a key stands for, with its id: a key is the flag's name with underscores, or in the plural
/// where it is a list.
fn flag_of<'c>(command: &'c Command, key: &str) -> Option<(&'c str, &'c str)> {
    let flags = command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(|flag| (argument.get_id().as_str(), flag)));
    let mut named = flags.filter(|(id, flag)| *id == key || flag.replace('-', "_") == key);
    named.next().filter(|(id, _)| !NOT_IN_A_FILE.contains(id))
}

fn takers(command: &Command, key: &str) -> String {
    let servers = SERVERS.iter().filter_map(|name| command.find_subcommand(name));
    let takers = servers.filter(|server| flag_of(server, key).is_some());
    takers.map(|server| format!("`nudge {}`", server.get_name())).collect::<Vec<_>>().join(" and ")
}

/// In the order of the keys.
fn read(path: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    let bad = |error: ConfigError| {
        let reason = error.to_string().replace('\n', " ");
        Failure::configuration(format!("cannot use {}: {reason}", path.display()))
    };
    let text = String::from_utf8(super::read_file(path)?).map_err(|_| {
        Failure::configuration(format!("cannot use {}: it is no text", path.display()))
    })?;
    let file = config::File::from_str(&text, FileFormat::Toml);
    let read = Config::builder().add_source(file).build().map_err(bad)?;
    let keys: HashMap<String, Value> = read.try_deserialize().map_err(bad)?;
    Ok(keys.into_iter().collect())
}

/// A list is a flag that is given several times.
fn values(value: Value) -> Result<Vec<String>, String> {
    let Value { kind: ValueKind::Array(values), .. } = value else {
        return scalar(value).map(|value| vec![value]);
    };
    let one = |value: Value| {
        let text = scalar(value)?;
        // The flag would take it for two.
        if text.contains(',') { Err("has a comma in it".to_owned()) } else { Ok(text) }
    };
    values.into_iter().map(one).collect()
}

fn scalar(value: Value) -> Result<String, String> {
    value.into_string().map_err(|_| "has no plain value: write a text, a number or true".to_owned())
}
