//! A conversation, line by line.

use std::{io::BufRead, time::Duration};

use console::style;
use nudge_client_sdk::{
    Client, ConversationId, ConversationSeq, Event, Events, HistoryItem, LinkState, Message,
    Receipt, Update, UpdateKind, UserId,
};
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{history::newest, send::find_conversation};
use crate::{
    cli::Chat,
    conversation::{self, Names},
    failure::Failure,
    output::Format,
    profile::Profile,
    stop::Stop,
};

pub(crate) async fn run(chat: Chat) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let profile = Profile::find(&chat.account)?;
    let (client, user) = profile.open_for_listening().await?;
    let talk = find_conversation(&client, Some(&chat.handle), None).await?;
    let mut talking = Talking {
        names: Names::new(client.clone(), user),
        client: client.clone(),
        other: chat.handle,
        talk,
        shown: ConversationSeq(0),
        marks: Default::default(),
        typing_shown_at: None,
    };
    talking.show_history().await?;
    let outcome = tokio::select! {
        outcome = talking.talk(typed_lines()) => outcome,
        () = stop.asked() => Ok(()),
    };
    client.close().await;
    outcome
}

struct Talking {
    client: Client,
    names: Names,
    other: String,
    talk: ConversationId,
    /// Everything up to here is on the screen.
    shown: ConversationSeq,
    /// What the other has, and has read, as far as it was shown.
    marks: (ConversationSeq, ConversationSeq),
    typing_shown_at: Option<Instant>,
}

impl Talking {
    async fn show_history(&mut self) -> Result<(), Failure> {
        for item in newest(&self.client, self.talk, HISTORY_LINES).await?.iter().rev() {
            if let Some(line) = conversation::history_item(item, &mut self.names).await {
                say(&line.text)?;
            }
            if let HistoryItem::Message(message) = item {
                self.shown = message.seq;
            }
        }
        self.mark_read().await;
        say(style(format!("— with {}; /file PATH sends a file, /quit ends —", self.other)).dim())
    }

    async fn talk(&mut self, mut typed: mpsc::Receiver<String>) -> Result<(), Failure> {
        let mut events: Events = self.client.events();
        loop {
            tokio::select! {
                line = typed.recv() => match line.as_deref().map(str::trim_end) {
                    None | Some("/quit") => return self.send_rest().await,
                    Some("") => {}
                    Some(line) => self.send(line).await?,
                },
                event = events.next() => match event? {
                    Some(event) => self.handle_event(event).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn send(&mut self, line: &str) -> Result<(), Failure> {
        let queued = match line.strip_prefix("/file ") {
            Some(path) => self.client.send_file(self.talk, path.trim(), "").await,
            None => self.client.send_text(self.talk, line).await,
        };
        match queued {
            Ok(_) => Ok(()),
            // A slip of the hand does not end the conversation.
            Err(error) => say(style(format!("          not sent: {error}")).red()),
        }
    }

    /// Waits a moment for what was typed last; the rest stays in the outbox.
    async fn send_rest(&mut self) -> Result<(), Failure> {
        let unsent = self.client.unsent().await?;
        let all = async {
            for message in unsent.iter().filter(|message| message.failure.is_none()) {
                // Whether it was sent or given up, it no longer waits.
                let _ = self.client.sent(message.client_message_id).await;
            }
        };
        if tokio::time::timeout(END_PATIENCE, all).await.is_err() {
            say(style("what was not sent yet is in the outbox for the next time").dim())?;
        }
        Ok(())
    }

    async fn handle_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Update(update) => self.handle_update(update).await,
            Event::Typing { conversation_id, user_id } if conversation_id == self.talk => {
                self.show_typing(user_id)
            }
            Event::NotSent(not_sent) => {
                say(style(format!("          not sent: {}", not_sent.reason)).red())
            }
            Event::Link(LinkState::Ended(code)) => Err(Failure::new(code.text())),
            Event::Typing { .. } | Event::Link(_) | Event::Sent(_) | Event::Progress(_) | _ => {
                Ok(())
            }
        }
    }

    async fn handle_update(&mut self, update: Update) -> Result<(), Failure> {
        match &update.kind {
            UpdateKind::Message(message) => self.show_message(message).await?,
            UpdateKind::Receipt(receipt) if receipt.conversation_id == self.talk => {
                self.show_receipt(receipt)?;
            }
            UpdateKind::Change(change) => {
                say(conversation::change(change, &mut self.names).await.text)?;
            }
            UpdateKind::Resynced(reason) => say(conversation::resynced(*reason).text)?,
            UpdateKind::Receipt(_) | _ => {}
        }
        self.client.confirm(update.position).await?;
        Ok(())
    }

    async fn show_message(&mut self, message: &Message) -> Result<(), Failure> {
        let is_here = message.conversation_id == self.talk;
        if is_here && message.seq <= self.shown {
            return Ok(());
        }
        say(conversation::message(message, &mut self.names).await.text)?;
        if is_here {
            self.shown = message.seq;
            self.typing_shown_at = None;
            self.mark_read().await;
        }
        Ok(())
    }

    fn show_receipt(&mut self, receipt: &Receipt) -> Result<(), Failure> {
        let marks = (receipt.delivered, receipt.read);
        if marks <= self.marks {
            return Ok(());
        }
        self.marks = marks;
        let what = if receipt.read == receipt.delivered { "read" } else { "delivered" };
        say(style(format!("          {what}")).dim())
    }

    fn show_typing(&mut self, user: UserId) -> Result<(), Failure> {
        let is_fresh = self.typing_shown_at.is_some_and(|at| at.elapsed() < TYPING_INTERVAL);
        if is_fresh || self.names.is_own(user) {
            return Ok(());
        }
        self.typing_shown_at = Some(Instant::now());
        say(style(format!("          {} is typing", self.other)).dim())
    }

    async fn mark_read(&self) {
        if self.shown > ConversationSeq(0)
            && let Err(error) = self.client.mark_read(self.talk, self.shown).await
        {
            tracing::debug!(%error, "the next mark says it, too");
        }
    }
}

fn say(text: impl std::fmt::Display) -> Result<(), Failure> {
    Format::Text.print(&Value::Null, text)
}

/// Lines of standard input. Read on a thread of its own: a read that waits for a person must not hold
/// up the end of the program.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, typed) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

const HISTORY_LINES: usize = 20;
/// How often it is said that somebody goes on typing.
const TYPING_INTERVAL: Duration = Duration::from_secs(10);
/// How long the end waits for what was typed last.
const END_PATIENCE: Duration = Duration::from_secs(5);
