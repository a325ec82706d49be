//! A medium on its way out.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use nudge_proto::MediumId;

use crate::{
    media::multipart::Piece,
    objects::{ByteStream, ObjectError, ObjectName, Objects},
    store::Medium,
    telemetry,
};

/// The pieces of an answer, each read when the connection takes it. It knows its length: with one byte too
/// few or too many it ends with an error, and the connection (in HTTP/2 the stream) is broken off, so that
/// no client takes it for complete.
pub(super) struct MediaBody {
    source: Source,
    pieces: VecDeque<Piece>,
    state: State,
    /// Bytes that are still to come.
    left: u64,
}

/// Where the parts are read.
#[derive(Clone)]
struct Source {
    objects: Arc<dyn Objects>,
    id: MediumId,
    object: ObjectName,
}

enum State {
    Between,
    Opening(BoxFuture<'static, Result<ByteStream, ObjectError>>, u64),
    /// How many bytes of the part are still to come.
    Within(ByteStream, u64),
    Failed,
}

impl MediaBody {
    /// Opens the first part, while the answer can still be another.
    ///
    /// # Errors
    ///
    /// [`ObjectError::NotFound`] when the object is gone.
    pub(super) async fn open(
        objects: &Arc<dyn Objects>,
        medium: &Medium,
        pieces: Vec<Piece>,
    ) -> Result<Self, ObjectError> {
        let source =
            Source { objects: Arc::clone(objects), id: medium.id, object: medium.object.clone() };
        let left = pieces.iter().map(Piece::length).sum();
        let mut body = Self { source, pieces: pieces.into(), state: State::Between, left };
        if let Some(Piece::Part(part)) = body.pieces.front() {
            let (part, length) = (part.clone(), part.end - part.start);
            let stream = body.source.read(part).await?;
            body.pieces.pop_front();
            body.state = State::Within(stream, length);
        }
        Ok(body)
    }

    /// The next bytes; `None` once all are out.
    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ObjectError>>> {
        loop {
            match &mut self.state {
                State::Failed => return Poll::Ready(None),
                State::Between => match self.pieces.pop_front() {
                    None => return Poll::Ready(None),
                    Some(Piece::Text(text)) => return Poll::Ready(Some(Ok(text))),
                    Some(Piece::Part(part)) => {
                        let (source, length) = (self.source.clone(), part.end - part.start);
                        let opening = Box::pin(async move { source.read(part).await });
                        self.state = State::Opening(opening, length);
                    }
                },
                State::Opening(opening, length) => {
                    let length = *length;
                    match ready!(opening.as_mut().poll(context)) {
                        Ok(stream) => self.state = State::Within(stream, length),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                // The file is let go with its last byte, not with the answer.
                State::Within(_, 0) => self.state = State::Between,
                State::Within(stream, left) => {
                    let Some(piece) = ready!(stream.as_mut().poll_next(context)) else {
                        return Poll::Ready(Some(Err(self.source.wrong_length())));
                    };
                    let piece = piece?;
                    let Some(rest) = left.checked_sub(piece.len() as u64) else {
                        return Poll::Ready(Some(Err(self.source.wrong_length())));
                    };
                    *left = rest;
                    if rest == 0 {
                        self.state = State::Between;
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
        }
    }
}

impl Source {
    async fn read(&self, part: Range<u64>) -> Result<ByteStream, ObjectError> {
        self.objects.read(self.id, &self.object, part).await
    }

    fn wrong_length(&self) -> ObjectError {
        ObjectError::NotFound { id: self.id, what: "the object" }
    }
}

impl Body for MediaBody {
    type Data = Bytes;
    type Error = ObjectError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ObjectError>>> {
        let polled = ready!(self.poll_bytes(context));
        Poll::Ready(match polled {
            None => None,
            Some(Ok(bytes)) => {
                self.left -= bytes.len() as u64;
                telemetry::downloaded(bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                tracing::warn!(medium = %self.source.id, %error, "a download is broken off");
                self.state = State::Failed;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for MediaBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, left, .. } = self;
        formatter.debug_struct("MediaBody").field("id", &source.id).field("left", left).finish()
    }
}
