//! Ada sends Bob a text and a file; Bob's app dies in the middle of the download.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use nudge_client_sdk::{Client, ConversationId, Downloaded, HistoryItem, Medium, MessageId};

use super::{
    cut::{self, Cut},
    findings::Findings,
    observer::Observer,
    people::{Account, Person},
    servers::Servers,
    source::{self, Source},
    timeline::{Moment, millis},
};
use crate::{bars, failure::Failure};

/// Plays it on the servers that are named, or on one in `folder`, and notes what is seen.
pub(super) async fn tell(
    source: &Source,
    named: &[String],
    folder: &Path,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let servers = Servers::reach(named, folder, findings).await?;
    let told = async {
        let mut cast = Cast::assemble(&servers, folder, findings).await?;
        cast.exchange_text(findings).await?;
        let cast = cast.exchange_file(source, findings).await?;
        if servers.outlive() {
            cast.delete_accounts().await?;
            findings.happened("both accounts are deleted");
        }
        cast.leave().await;
        Ok(())
    }
    .await;
    servers.leave().await;
    told
}

struct Cast {
    ada: Person,
    adas_account: Account,
    bob: Person,
    bobs_account: Account,
    observer: Observer,
    talk: ConversationId,
    /// Where Bob keeps what he downloads.
    bobs_files: PathBuf,
}

impl Cast {
    async fn assemble(
        servers: &Servers,
        folder: &Path,
        findings: &mut Findings,
    ) -> Result<Self, Failure> {
        let [adas, bobs] = servers.urls();
        let adas_account = Account::new(adas, "ada", servers, folder);
        let (ada, _) = adas_account.register("Ada").await?;
        let bobs_account = Account::new(bobs, "bob", servers, folder);
        let (bob, bobs_user) = bobs_account.register("Bob").await?;
        let talk = ada.client.direct(bobs_user.id).await?.id;
        findings.happened("ada and bob have accounts, apps and a conversation");
        let observer = Observer::start(&bobs_account).await?;
        findings.happened("a second device of bob's reads its signaling socket, nothing else");
        let bobs_files = folder.join("bob");
        std::fs::create_dir(&bobs_files)?;
        Ok(Self { ada, adas_account, bob, bobs_account, observer, talk, bobs_files })
    }

    async fn exchange_text(&mut self, findings: &mut Findings) -> Result<(), Failure> {
        let head = self.observer.seen().head;
        let asked_at = Instant::now();
        self.ada.client.send_text(self.talk, TEXT).await?;
        findings.counts.sent += 1;
        let bytes = TEXT.len() as u64;
        findings.moved(bytes, "ada sends a text");
        let (notice, told) = tokio::join!(self.observer.notice_after(head), async {
            let told = self.bob.next_message().await;
            (told, asked_at.elapsed())
        });
        let (told, latency) = told;
        let (position, message) = told?;
        let arrived = Moment::now("bob's app has the text").of(bytes).at(asked_at + latency);
        let notice = findings.note_notices(notice?);
        findings.timeline.add(notice.into_iter().chain([arrived]));
        self.bob.client.confirm(position).await?;
        findings.counts.received += 1;
        let seq = message.seq;
        self.ada.receipt("the receipt of the text", |receipt| receipt.delivered >= seq).await?;
        findings.happened("ada's app knows that it was delivered");
        findings.text.bytes = bytes;
        findings.text.latency_ms = Some(millis(latency));
        findings.text.delivered = message.text() == Some(TEXT);
        Ok(())
    }

    async fn exchange_file(
        mut self,
        source: &Source,
        findings: &mut Findings,
    ) -> Result<Self, Failure> {
        let id = self.send_file(source, findings).await?;
        let (_, message) = self.bob.next_message().await?;
        let [medium] = &message.media[..] else {
            return Err(Failure::new(format!("{} media came, not one", message.media.len())));
        };
        findings.happened("bob's app has the message and begins to download");
        let target = self.bobs_files.join(medium.safe_file_name());

        let downloaded;
        (downloaded, self.bob) =
            bring(&self.bobs_account, self.bob, medium, &target, findings).await?;
        findings.moved(downloaded.bytes, "the file is there under its name");

        // What the app had not confirmed when it died, it is told again.
        let (position, again) = self.bob.next_message().await?;
        self.bob.client.confirm(position).await?;
        findings.counts.received += self.bob.messages.len();
        let (size, sha256) = source::digest(&target).await?;
        findings.media.verified =
            size == source.size && [sha256, downloaded.sha256, medium.sha256] == [source.sha256; 3];
        findings.happened("bob's file has the SHA-256 of ada's");

        self.bob.client.mark_read(self.talk, again.seq).await?;
        self.ada.receipt("the receipt of the file", |receipt| receipt.read >= again.seq).await?;
        let read = Moment::now("ada's app knows that it was read");
        let notice = findings.note_notices(self.observer.seen());
        findings.timeline.add(notice.into_iter().chain([read]));
        if again.id != message.id || again.id != id {
            return Err(Failure::new("another message came than was sent"));
        }
        findings.counts.in_history = count_messages(&self.ada.client, self.talk).await?;
        Ok(self)
    }

    async fn delete_accounts(&self) -> Result<(), Failure> {
        self.ada.client.delete_account(&self.adas_account.password).await?;
        Ok(self.bob.client.delete_account(&self.bobs_account.password).await?)
    }

    async fn leave(self) {
        self.bob.client.close().await;
        self.ada.client.close().await;
    }

    /// Sends it, and waits until the observer was told of it.
    async fn send_file(
        &mut self,
        source: &Source,
        findings: &mut Findings,
    ) -> Result<MessageId, Failure> {
        let head = self.observer.seen().head;
        let message = self.ada.client.send_file(self.talk, &source.path, "The file").await?;
        findings.counts.sent += 1;
        findings.moved(source.size, "ada sends the file, and the upload begins");
        let sent = tokio::select! {
            sent = self.ada.client.sent(message) => sent?,
            never = bars::follow_uploads(&self.ada.client, message) => match never {},
        };
        let stored = Moment::now("the file and its message are on the server").of(source.size);
        let notice = findings.note_notices(self.observer.notice_after(head).await?);
        findings.timeline.add(notice.into_iter().chain([stored]));
        Ok(sent.message_id)
    }
}

/// Downloads, with a cut if there can be one; Bob's app is another one afterwards.
async fn bring(
    account: &Account,
    bob: Person,
    medium: &Medium,
    target: &Path,
    findings: &mut Findings,
) -> Result<(Downloaded, Person), Failure> {
    let (cut, bob) = if cut::is_possible(medium.size) {
        cut::download_and_cut(account, bob, medium, target).await?
    } else {
        let whole = bob.client.download(medium, target).finished().await?;
        bob.client.close().await;
        (Cut::Missed(whole), account.open().await?)
    };
    let cut_at = match cut {
        Cut::At(bytes) => bytes,
        Cut::Missed(whole) => {
            findings.happened("it was there in one piece, too soon to be cut");
            findings.media.bytes_fetched = whole.bytes_fetched;
            return Ok((whole, bob));
        }
    };
    findings.moved(cut_at, "bob's app dies: so much had come");
    findings.happened("bob's app is started anew on what the last run left");
    let downloaded = bob.client.download(medium, target).finished().await?;
    let from = downloaded.resumed_from;
    findings.moved(downloaded.bytes_fetched, format!("the rest has come, from byte {from} on"));
    let media = &mut findings.media;
    media.cut_at = Some(cut_at);
    media.resumed_from = Some(from);
    media.bytes_fetched = cut_at + downloaded.bytes_fetched;
    media.bytes_fetched_twice = media.bytes_fetched.saturating_sub(medium.size);
    Ok((downloaded, bob))
}

/// Messages in the whole history.
async fn count_messages(client: &Client, talk: ConversationId) -> Result<usize, Failure> {
    let (mut count, mut before) = (0, None);
    loop {
        let page = client.history(talk, before).await?;
        let is_message = |item: &&HistoryItem| matches!(item, HistoryItem::Message(_));
        count += page.items.iter().filter(is_message).count();
        before = page.next_before;
        if before.is_none() {
            return Ok(count);
        }
    }
}

const TEXT: &str = "Hello Bob, the file comes right after this. – Ada";
