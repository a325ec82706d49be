use std::{ffi::OsString, path::Path};

use clap::{CommandFactory, Parser};
use nudge_fetch::{
    config::Registration,
    store::{Database, postgres::FanOut},
};

use super::{Embedded, FetchRole, arguments_with_file};
use crate::{
    cli::{Cli, Command, FetchNode, Serve},
    failure::Failure,
};

/// The command that these words and that file come to.
fn parse(words: &[&str]) -> Result<Command, Failure> {
    let arguments: Vec<OsString> = ["nudge"].iter().chain(words).map(OsString::from).collect();
    let matches = Cli::command().try_get_matches_from(&arguments).map_err(Failure::new)?;
    let arguments = arguments_with_file(arguments, Cli::command(), &matches)?;
    Ok(Cli::try_parse_from(arguments).map_err(Failure::configuration)?.command)
}

fn serve(words: &[&str]) -> Result<Serve, Failure> {
    let command = parse(&[&["serve"], words].concat())?;
    let Command::Serve(serve) = command else { panic!("{command:?}") };
    Ok(*serve)
}

fn fetch(words: &[&str]) -> Result<FetchNode, Failure> {
    let command = parse(&[&["fetch"], words].concat())?;
    let Command::Fetch(node) = command else { panic!("{command:?}") };
    Ok(*node)
}

/// A file in a folder, and the folder's own path for data.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> String {
        text(&self.0.path().join("data"))
    }

    fn file(&self, content: &str) -> String {
        let path = self.0.path().join("nudge.toml");
        std::fs::write(&path, content).unwrap();
        text(&path)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
    let folder = Folder::new();
    let file = folder.file(
        "history_days = 7\nmedia_days = 8\nregistration = \"invite\"\ninvites = [\"a b\", \"c\"]\n\
         until_acked = true\n",
    );
    let data = folder.data();
    let words = ["--history-days", "1", "--config", &file, "--data-dir", &data];
    let fetch = Embedded::resolve(serve(&words).unwrap()).unwrap().fetch;
    assert_eq!(fetch.retention.history_days, Some(1));
    assert_eq!((fetch.retention.media_days, fetch.retention.until_acked), (Some(8), true));
    let invites = ["a b", "c"].map(str::to_owned).to_vec();
    assert_eq!(fetch.registration, Registration::Invite(invites));
}

#[test]
fn no_days_mean_for_ever() {
    let data = Folder::new();
    let words = ["--history-days", "0", "--media-days", "0", "--data-dir", &data.data()];
    let retention = Embedded::resolve(serve(&words).unwrap()).unwrap().fetch.retention;
    assert_eq!((retention.history_days, retention.media_days), (None, None));
}

#[test]
fn a_setting_that_is_misspelt_or_of_another_command_is_refused_by_name() {
    let folder = Folder::new();
    for (content, expected) in [
        ("histroy_days = 7", "\"histroy_days\" is unknown"),
        ("signal = \"127.0.0.1:1\"", "but of `nudge serve` and `nudge signal`"),
        ("watch_ca = \"ca.pem\"", "but of `nudge signal`"),
        ("config = \"other.toml\"", "\"config\" is unknown"),
        ("[retention]\nhistory_days = 7", "is unknown"),
    ] {
        let failure = fetch(&["--config", &folder.file(content)]).unwrap_err().to_string();
        assert!(failure.contains(expected), "{failure}");
    }
}

#[test]
fn a_list_in_the_file_is_named_as_its_flag_or_in_the_plural() {
    let folder = Folder::new();
    for content in ["invite = [\"a\", \"b\"]", "invites = [\"a\", \"b\"]"] {
        let config = folder.file(content);
        assert_eq!(fetch(&["--config", &config]).unwrap().api.invites, ["a", "b"]);
        let stronger = fetch(&["--config", &config, "--invite", "c"]).unwrap();
        assert_eq!(stronger.api.invites, ["c"]);
    }
}

#[test]
fn the_private_listener_stays_on_loopback_with_or_without_tls() {
    let folder = Folder::new();
    let data = folder.data();
    let open = ["--private", "0.0.0.0:7490", "--tls", "self-signed", "--data-dir", &data];
    let failure = Embedded::resolve(serve(&open).unwrap()).unwrap_err();
    assert!(failure.to_string().contains("--private"), "{failure}");
    assert!(!Path::new(&data).exists(), "what is refused leaves nothing behind");
    let other = [&open[..], &["--insecure"]].concat();
    assert!(Embedded::resolve(serve(&other).unwrap()).is_err(), "that is for public listeners");
    let allowed = [&open[..], &["--insecure-private"]].concat();
    assert!(Embedded::resolve(serve(&allowed).unwrap()).is_ok());
}

#[test]
fn plain_text_stays_on_loopback_unless_it_is_allowed() {
    let folder = Folder::new();
    let data = folder.data();
    let open = ["--signal", "0.0.0.0:7400", "--data-dir", &data];
    let failure = Embedded::resolve(serve(&open).unwrap()).unwrap_err();
    assert!(failure.to_string().contains("--insecure"), "{failure}");
    let allowed = [&open[..], &["--insecure"]].concat();
    assert!(Embedded::resolve(serve(&allowed).unwrap()).is_ok());
}

#[test]
fn secrets_come_from_files_and_an_admin_token_is_made_once() {
    let folder = Folder::new();
    let (data, url) = (folder.data(), folder.0.path().join("url"));
    std::fs::write(&url, "postgres://nudge:hush@db/nudge\n").unwrap();
    let words = ["--data-dir", &data, "--database-file", &text(&url)];
    let role = || FetchRole::resolve(fetch(&words).unwrap()).unwrap().fetch;
    let first = role();
    assert!(matches!(&first.database, Database::Postgres(it) if it.url.ends_with("db/nudge")));
    assert!(!format!("{first:?}").contains("hush"));
    assert!(first.admin_token.is_some());
    assert_eq!(first.admin_token, role().admin_token, "made once");
    let both = [&words[..], &["--database", "sqlite"]].concat();
    let failure = FetchRole::resolve(fetch(&both).unwrap()).unwrap_err().to_string();
    assert!(failure.contains("both given"), "{failure}");
}

#[test]
fn how_postgres_is_used_is_a_setting() {
    let folder = Folder::new();
    let file = folder.file(
        "database = \"postgres://db/nudge\"\nstatement_timeout_s = 7\nlock_timeout_s = 3\n\
         fan_out = \"after-commit\"\n",
    );
    let words = ["--config", &file, "--data-dir", &folder.data()];
    let database = FetchRole::resolve(fetch(&words).unwrap()).unwrap().fetch.database;
    let Database::Postgres(options) = database else { panic!("{database:?}") };
    let times = [options.statement_timeout, options.lock_timeout].map(|time| time.as_secs());
    assert_eq!((times, options.fan_out), ([7, 3], FanOut::AfterCommit));
}

const EXAMPLE: &str = include_str!("../../examples/nudge.toml");

/// The example's lines for a command, without the marks that make them comments: (key, value).
fn example_of(command: &str) -> Vec<(String, String)> {
    let mut is_meant = false;
    let mut settings = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(commands) = line.strip_prefix("## ") {
            is_meant = commands.split(", ").any(|named| named == command);
        } else if let Some((key, value)) =
            line.strip_prefix('#').and_then(|it| it.split_once(" = "))
            && is_meant
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            settings.push((key.to_owned(), value.to_owned()));
        }
    }
    settings
}

#[test]
fn the_example_has_every_setting_of_every_command_with_its_default() {
    let mut cli = Cli::command();
    cli.build();
    for name in ["serve", "fetch", "signal"] {
        let command = cli.find_subcommand(name).unwrap();
        let example = example_of(name);
        let not_settings = ["config", "json", "help", "version"];
        for argument in
            command.get_arguments().filter(|it| !not_settings.contains(&it.get_id().as_str()))
        {
            let id = argument.get_id().as_str();
            let found: Vec<_> = example.iter().filter(|(key, _)| key == id).collect();
            assert_eq!(found.len(), 1, "{id} of nudge {name}");
            if let [default] = argument.get_default_values() {
                let shown = found[0].1.trim_matches('"');
                assert_eq!(shown, default.to_str().unwrap(), "{id} of nudge {name}");
            }
        }
        let folder = Folder::new();
        // One of each pair can be given.
        let all = example.iter().filter(|(key, _)| !key.ends_with("_file"));
        let all: String = all.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let failure = parse(&[name, "--config", &folder.file(&all)]).err();
        assert!(failure.is_none(), "{}", failure.unwrap());
    }
}
