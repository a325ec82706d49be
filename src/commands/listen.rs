//! Prints what comes in.

mod journal;
mod saving;

use std::{fs::File, io::IsTerminal, os::fd::AsFd, path::PathBuf};

use console::style;
use nudge_client_sdk::{Client, Event, LinkState, Message, NotSent, Update, UpdateKind};

use crate::{
    cli::Listen,
    conversation::{self, Line, Names},
    failure::Failure,
    output::Format,
    profile::Profile,
    stop::Stop,
};
use journal::{Journal, Mark};
use saving::Saving;

pub(crate) async fn run(listen: Listen) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let profile = Profile::find(&listen.account)?;
    if let Some(folder) = &listen.download {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::configuration(format!("--download {}: {error}", folder.display()))
        })?;
    }
    let (client, user) = profile.open_for_listening().await?;
    let stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let device = client.device_id().await?.to_string();
    let mut listener = Listener {
        names: Names::new(client.clone(), user),
        journal: Journal::open(profile.folder(), device, stdout)?,
        format: Format::json_if(listen.json),
        download: listen.download,
        messages_left: listen.count,
        client: client.clone(),
    };
    let outcome = tokio::select! {
        outcome = listener.listen(&profile) => outcome,
        () = stop.asked() => Ok(()),
    };
    client.close().await;
    outcome
}

struct Listener {
    client: Client,
    names: Names,
    journal: Journal,
    format: Format,
    download: Option<PathBuf>,
    /// Messages after which it ends, if it does.
    messages_left: Option<u64>,
}

impl Listener {
    async fn listen(&mut self, profile: &Profile) -> Result<(), Failure> {
        let mut events = self.client.events();
        while self.messages_left != Some(0)
            && let Some(event) = events.next().await?
        {
            match event {
                Event::Update(update) => self.tell(update).await?,
                Event::Link(state) => self.handle_link(state, profile)?,
                Event::NotSent(NotSent { client_message_id, reason, .. }) => {
                    eprintln!("nudge: {client_message_id} was not sent: {reason}");
                }
                Event::Typing { .. } | Event::Sent(_) | Event::Progress(_) | _ => {}
            }
        }
        Ok(())
    }

    async fn tell(&mut self, update: Update) -> Result<(), Failure> {
        let position = update.position.0;
        let first = Mark { position, line: 0 };
        match &update.kind {
            UpdateKind::Message(message) => self.tell_message(position, message).await?,
            UpdateKind::Receipt(receipt) => {
                let line = conversation::receipt(receipt, &mut self.names).await;
                self.print(first, &line)?;
            }
            UpdateKind::Change(change) => {
                let line = conversation::change(change, &mut self.names).await;
                self.print(first, &line)?;
            }
            UpdateKind::Resynced(reason) => {
                self.print(first, &conversation::resynced(*reason))?;
            }
            _ => {}
        }
        self.client.confirm(update.position).await?;
        Ok(())
    }

    async fn tell_message(&mut self, position: u64, message: &Message) -> Result<(), Failure> {
        let mut mark = Mark { position, line: 0 };
        let line = conversation::message(message, &mut self.names).await;
        self.print(mark, &line)?;
        if let Some(folder) = self.download.clone() {
            for saving in Saving::all(&folder, message) {
                mark.line += 1;
                if !self.journal.has(mark) {
                    let line = match saving.save(&self.client).await {
                        Ok((path, done)) => {
                            conversation::saved(message, saving.medium(), &path, &done)
                        }
                        Err(error) if is_lost(&error) => {
                            conversation::not_saved(message, saving.medium(), &error)
                        }
                        Err(error) => return Err(error.into()),
                    };
                    self.print(mark, &line)?;
                }
                saving.settle();
            }
        }
        self.messages_left = self.messages_left.map(|left| left.saturating_sub(1));
        Ok(())
    }

    fn print(&mut self, mark: Mark, line: &Line) -> Result<(), Failure> {
        if self.journal.has(mark) {
            return Ok(());
        }
        self.journal.print(mark, &self.format.line(&line.json, &line.text))
    }

    fn handle_link(&self, state: LinkState, profile: &Profile) -> Result<(), Failure> {
        let say = |text: String| {
            if self.format == Format::Text && std::io::stderr().is_terminal() {
                eprintln!("{}", style(text).for_stderr().dim());
            }
        };
        match state {
            LinkState::Up => say(format!("connected to {}", profile.url())),
            LinkState::Down { retry_in } => {
                say(format!("not connected; again in {} s", retry_in.as_secs_f32().ceil()));
            }
            LinkState::Ended(code) => {
                return Err(Failure::new(code.text()));
            }
        }
        Ok(())
    }
}

/// Whether the file will never come, and whoever waits for it has to know.
fn is_lost(error: &nudge_client_sdk::Error) -> bool {
    use nudge_client_sdk::Error;
    matches!(error, Error::DigestMismatch { .. })
        || (error.code().is_some() && !error.is_passing() && !error.is_session_over())
}
