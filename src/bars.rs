//! Progress bars of transfers: on standard error, and only when that is a terminal.

use std::{borrow::Cow, convert::Infallible, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use nudge_client_sdk::{
    Client, ClientMessageId, Download, Downloaded, Error, Event, Progress, TransferId,
};
use tokio::time::interval;

use crate::human;

/// A bar for a transfer of `total` bytes; draws nothing where nobody would see it.
fn transfer(total: u64, name: impl Into<Cow<'static, str>>) -> ProgressBar {
    // The template is a constant, and a bad one would only mean a plainer bar.
    let style = ProgressStyle::with_template(TEMPLATE)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━╌");
    ProgressBar::new(total).with_style(style).with_message(name)
}

/// Draws the uploads of a message for as long as it is polled; never ends by itself.
pub(crate) async fn follow_uploads(client: &Client, message: ClientMessageId) -> Infallible {
    let mut events = client.events();
    let bars = MultiProgress::new();
    let mut drawn: Vec<(String, ProgressBar)> = Vec::new();
    while let Ok(Some(event)) = events.next().await {
        let Event::Progress(Progress { transfer, file_name, bytes_done, bytes_total }) = event
        else {
            continue;
        };
        if transfer != TransferId::Upload(message) {
            continue;
        }
        let bar = match drawn.iter().find(|(name, _)| *name == file_name) {
            Some((_, bar)) => bar.clone(),
            None => {
                let bar = bars.add(self::transfer(bytes_total, human::safe_line(&file_name)));
                drawn.push((file_name, bar.clone()));
                bar
            }
        };
        bar.set_position(bytes_done);
        if bytes_done == bytes_total {
            bar.finish_and_clear();
        }
    }
    std::future::pending().await
}

/// Draws a download until it has ended.
pub(crate) async fn follow_download(download: &mut Download) -> Result<Downloaded, Error> {
    let Progress { file_name, bytes_total, .. } = download.progress();
    let bar = transfer(bytes_total, human::safe_line(&file_name));
    let mut redraw = interval(REDRAW_INTERVAL);
    loop {
        tokio::select! {
            finished = download.finished() => {
                bar.finish_and_clear();
                return finished;
            }
            _ = redraw.tick() => bar.set_position(download.progress().bytes_done),
        }
    }
}

const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
const TEMPLATE: &str =
    "  {msg:.bold}  {bar:32.cyan/dim}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta}";
