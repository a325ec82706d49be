//! A second device that reads its signaling socket and nothing else: what a notice takes on the wire.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nudge_proto::{
    DeviceId, InboxSeq,
    frame::{ClientFrame, Hello, ServerFrame, Welcome},
    pb::content as pb,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::people::{Account, PATIENCE};
use crate::failure::Failure;

/// The device.
#[derive(Debug)]
pub(super) struct Observer {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

/// What came over its socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The newest head.
    pub(super) head: InboxSeq,
    pub(super) notices: u64,
    /// The longest notice in bytes, its length prefix included.
    pub(super) notice_bytes_max: u64,
    /// The newest notice in bytes.
    pub(super) notice_bytes: u64,
    /// When it came.
    pub(super) at: Instant,
}

impl Observer {
    /// Logs in, connects, and says hello.
    pub(super) async fn start(account: &Account) -> Result<Self, Failure> {
        let (address, ticket) = log_in(account).await?;
        let mut socket = TcpStream::connect(&address).await?;
        let hello = ClientFrame::Hello(Hello {
            ticket: ticket.into(),
            cursor: None,
            instance: fastrand::u64(..),
            attempt: 1,
            client_name: "nudge demo observer".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat_s: 0,
            network_hint: String::new(),
        });
        let mut frame = Vec::new();
        hello.encode(&mut frame);
        socket.write_all(&frame).await?;
        let (answer, _) = timeout(PATIENCE, next_frame(&mut socket)).await??;
        let ServerFrame::Welcome(Welcome { head, .. }) = answer else {
            return Err(Failure::new(format!("the observer is not welcome: {answer:?}")));
        };
        let nothing =
            Seen { head, notices: 0, notice_bytes_max: 0, notice_bytes: 0, at: Instant::now() };
        let (sender, seen) = watch::channel(nothing);
        Ok(Self { seen, task: tokio::spawn(observe(socket, sender)) })
    }

    /// Waits for a notice of something newer than `head`.
    pub(super) async fn notice_after(&mut self, head: InboxSeq) -> Result<Seen, Failure> {
        let newer = timeout(PATIENCE, self.seen.wait_for(|seen| seen.head > head));
        let newer = newer.await.map_err(|_| Failure::new("no notice came over the socket"))?;
        Ok(*newer.map_err(|_| Failure::new("the observer's socket closed"))?)
    }

    /// Everything so far.
    pub(super) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where signaling is, and a ticket for it: by plain HTTP.
async fn log_in(account: &Account) -> Result<(String, Vec<u8>), Failure> {
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let discovery = http.get(format!("{}/.well-known/nudge", account.url)).send().await?;
    let discovery: pb::Discovery = discovery.error_for_status()?.json().await?;
    let tcp = discovery.transports.into_iter().find(|transport| transport.kind == "tcp");
    let tcp = tcp.ok_or_else(|| Failure::new("the server says nothing of a TCP listener"))?;
    let request = pb::CreateSessionRequest {
        device_id: DeviceId::random().to_string(),
        device_name: format!("{}'s observer", account.handle),
        handle: Some(account.handle.clone()),
        password: Some(account.password.clone()),
        issuer_token: None,
    };
    let session = http.post(format!("{}/v1/sessions", account.url)).json(&request).send().await?;
    let session: pb::Session = session.error_for_status()?.json().await?;
    Ok((reachable(&tcp.address, &account.url), URL_SAFE_NO_PAD.decode(session.connect_ticket)?))
}

/// An address without a host is on the host that was asked.
fn reachable(address: &str, url: &str) -> String {
    if !address.starts_with(':') {
        return address.to_owned();
    }
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    format!("{}{address}", host.unwrap_or_default())
}

async fn observe(mut socket: TcpStream, seen: watch::Sender<Seen>) {
    loop {
        match next_frame(&mut socket).await {
            Ok((ServerFrame::Notice(notice), bytes)) => seen.send_modify(|seen| {
                seen.head = notice.head;
                seen.notices += 1;
                seen.notice_bytes = bytes;
                seen.notice_bytes_max = seen.notice_bytes_max.max(bytes);
                seen.at = Instant::now();
            }),
            Ok(_) => {}
            Err(failure) => {
                tracing::debug!(%failure, "the observer stops");
                return;
            }
        }
    }
}

/// A frame, and its bytes on the wire: two of length, then what they announce.
async fn next_frame(socket: &mut TcpStream) -> Result<(ServerFrame, u64), Failure> {
    let length = socket.read_u16().await?;
    let mut frame = vec![0; length.into()];
    socket.read_exact(&mut frame).await?;
    Ok((ServerFrame::decode(&frame)?, u64::from(length) + 2))
}
