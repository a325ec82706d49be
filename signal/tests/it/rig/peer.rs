use std::time::Duration;

use nudge_proto::{
    CloseCode, Cursor, Epoch, InboxSeq,
    frame::{ClientFrame, FrameDecoder, ServerFrame, Welcome},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::Device;

/// A client, frame by frame.
pub(crate) struct Peer<T> {
    pub(crate) stream: T,
    decoder: FrameDecoder,
    unread: Vec<u8>,
}

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(3600);

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self { stream, decoder: FrameDecoder::default(), unread: Vec::new() }
    }

    pub(crate) async fn say(&mut self, frame: ClientFrame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.say_bytes(&bytes).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn ack(&mut self, epoch: u64, seq: u64) {
        let cursor = Cursor { epoch: Epoch(epoch), seq: InboxSeq(seq) };
        self.say(ClientFrame::Ack(cursor)).await;
    }

    /// `None` at the end of the connection.
    pub(crate) async fn hear(&mut self) -> Option<ServerFrame> {
        timeout(PATIENCE, self.next_frame()).await.expect("nothing was said")
    }

    /// Whether nothing is said and nothing ends for this time.
    pub(crate) async fn hears_nothing_for(&mut self, time: Duration) -> bool {
        timeout(time, self.next_frame()).await.is_err()
    }

    /// The code of an error frame that is followed by the end.
    pub(crate) async fn hear_end(&mut self) -> CloseCode {
        let Some(ServerFrame::Error { code, .. }) = self.hear().await else {
            panic!("no error frame");
        };
        assert_eq!(self.hear().await, None);
        code
    }

    pub(crate) async fn join(&mut self, device: Device) -> Welcome {
        self.say(ClientFrame::Hello(device.hello())).await;
        let Some(ServerFrame::Welcome(welcome)) = self.hear().await else {
            panic!("no welcome");
        };
        welcome
    }

    pub(crate) async fn ping(&mut self) -> Option<u64> {
        self.say(ClientFrame::Ping).await;
        let Some(ServerFrame::Pong { head }) = self.hear().await else { panic!("no pong") };
        head.map(|head| head.0)
    }

    async fn next_frame(&mut self) -> Option<ServerFrame> {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input, ServerFrame::BYTES_MAX).unwrap();
            self.unread = input.to_vec();
            if let Some(frame) = frame {
                return Some(ServerFrame::decode(&frame).unwrap());
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }
}
