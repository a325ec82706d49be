//! What one request writes of an upload.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    failure::failed,
    finish::Part,
    layout::{Lies, Piece},
    place::Place,
};
use crate::objects::{Layout, ObjectError, Unfinished, Writer};

/// Gathers a part, puts it, and gathers the next; one part is in memory.
#[derive(Debug)]
pub(super) struct RemoteWriter {
    place: Arc<Place>,
    upload: Unfinished,
    /// What the database says.
    committed: Lies,
    /// With what was written since.
    lies: Lies,
    /// What comes behind the parts; the tail is in it once it was read.
    part: Part,
    /// Whether the tail is in the part.
    has_tail: bool,
    /// There is more than [`Self::sync`] has told of.
    is_dirty: bool,
    /// The database says that a part is on its way, and it is this writer who said so.
    is_putting: bool,
    /// A part may still be on its way: nobody may go on with the run.
    is_broken: bool,
}

impl RemoteWriter {
    pub(super) fn new(place: Arc<Place>, upload: Unfinished, lies: Lies) -> Self {
        Self {
            place,
            upload,
            committed: lies.clone(),
            lies,
            part: Part::default(),
            has_tail: false,
            is_dirty: false,
            is_putting: false,
            is_broken: false,
        }
    }

    /// Bytes behind the parts.
    fn behind(&self) -> u64 {
        if self.has_tail { self.part.length } else { tail_length(&self.lies) }
    }

    async fn read_tail(&mut self) -> Result<(), ObjectError> {
        if !self.has_tail
            && let Some(tail) = &self.lies.tail
        {
            let id = self.upload.id;
            let path = self.place.path(id, &tail.name);
            let missing = || ObjectError::Lost { id, what: "the tail" };
            let stream = self.place.get(&path, 0..tail.length).await?.ok_or_else(missing)?;
            let pieces: Vec<Bytes> =
                stream.try_collect().await.map_err(failed("read from the object store"))?;
            for mut bytes in pieces {
                self.part.push(&mut bytes);
            }
            if self.part.length != tail.length {
                return Err(missing());
            }
        }
        self.has_tail = true;
        Ok(())
    }

    /// Puts what was gathered as the run's next part.
    async fn put_part(&mut self) -> Result<(), ObjectError> {
        self.say_putting().await?;
        let id = self.upload.id;
        let bytes = std::mem::take(&mut self.part).bytes;
        let Some(run) = &mut self.lies.run else { return Err(self.damaged()) };
        // Until it is known how this ends, and also when nobody waits for that.
        self.is_broken = true;
        self.place.put_part(id, run, bytes).await?;
        self.is_broken = false;
        self.lies.tail = None;
        Ok(())
    }

    /// Sees to it that there is a run which no other writer is putting a part to, and has the database say
    /// that this one is.
    async fn say_putting(&mut self) -> Result<(), ObjectError> {
        if self.is_putting {
            return Ok(());
        }
        let id = self.upload.id;
        match &self.lies.run {
            Some(run) if !run.putting => {}
            Some(run) if !run.parts.is_empty() => {
                // What is on its way cannot arrive any more.
                let sealed = self.place.complete(id, run).await?;
                tracing::info!(%id, bytes = sealed.length, "an upload goes on in another run");
                self.lies.sealed.push(sealed);
                self.lies.run = Some(self.place.begin(id).await?);
            }
            _ => self.lies.run = Some(self.place.begin(id).await?),
        }
        self.place.ledger.record(id, self.upload.fence, &self.lies.putting()).await?;
        self.committed = self.lies.clone();
        self.is_putting = true;
        Ok(())
    }

    /// Writes what was gathered as an object of its own.
    async fn put_tail(&mut self) -> Result<(), ObjectError> {
        let tail = self.place.put(self.upload.id, self.part.bytes.clone()).await?;
        let before = self.lies.tail.replace(tail);
        // One that was never committed: nobody knows of it.
        if before != self.committed.tail {
            self.drop_tail(before).await;
        }
        Ok(())
    }

    /// What stays, the collector finds.
    async fn drop_tail(&self, tail: Option<Piece>) {
        if let Some(tail) = tail
            && let Err(error) = self.place.delete(self.upload.id, &tail.name).await
        {
            tracing::debug!(%error, id = %self.upload.id, "the tail of an upload stays for a while");
        }
    }

    fn damaged(&self) -> ObjectError {
        ObjectError::Layout { id: self.upload.id, layout: self.lies.layout().0 }
    }

    fn check(&self) -> Result<(), ObjectError> {
        let (what, why) = ("write to the object store", "a part before this one failed".to_owned());
        if self.is_broken { Err(ObjectError::Unavailable { what, why }) } else { Ok(()) }
    }
}

#[async_trait]
impl Writer for RemoteWriter {
    fn room(&self) -> u64 {
        super::layout::PART_BYTES - self.behind()
    }

    async fn append(&mut self, mut bytes: Bytes) -> Result<(), ObjectError> {
        self.check()?;
        self.read_tail().await?;
        while !bytes.is_empty() {
            if self.part.room() == 0 {
                self.put_part().await?;
            }
            self.part.push(&mut bytes);
            self.is_dirty = true;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<Option<Layout>, ObjectError> {
        self.check()?;
        if !self.is_dirty {
            return Ok(None);
        }
        let is_whole = self.lies.in_parts() + self.part.length == self.upload.size;
        let may_go_on = self.lies.run.as_ref().is_some_and(|run| !run.putting);
        let is_last_part = is_whole && may_go_on;
        if self.part.room() == 0 || is_last_part {
            self.put_part().await?;
        } else {
            self.put_tail().await?;
        }
        self.is_dirty = false;
        Ok(Some(self.lies.layout()))
    }

    async fn committed(&mut self) {
        let tail = self.committed.tail.take();
        self.committed = self.lies.clone();
        self.is_putting = false;
        if tail != self.committed.tail {
            self.drop_tail(tail).await;
        }
    }

    async fn give_back(&mut self) -> Result<(), ObjectError> {
        if self.lies.tail != self.committed.tail {
            let tail = self.lies.tail.take();
            self.drop_tail(tail).await;
        }
        if self.is_putting && !self.is_broken {
            let (id, fence) = (self.upload.id, self.upload.fence);
            self.place.ledger.record(id, fence, &self.committed.layout()).await?;
        }
        self.is_putting = false;
        self.is_broken = true;
        Ok(())
    }
}

fn tail_length(lies: &Lies) -> u64 {
    lies.tail.as_ref().map_or(0, |tail| tail.length)
}
