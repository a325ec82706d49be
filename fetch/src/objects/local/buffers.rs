//! Memory for what is read, used again while it is warm.

use std::{
    io, mem,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// Bytes of one read: large enough that a system call is cheap by the byte, small enough for the
/// processor's cache, and for thousands of slow clients.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Buffers that are kept for the next read.
const KEPT_MAX: usize = 64;

static KEPT: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer of [`CHUNK_BYTES`]; it goes back when its last byte was sent.
pub(super) struct Buffer {
    memory: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    /// One that was used before, or a new one.
    pub(super) fn take() -> Self {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = kept.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice());
        Self { memory, filled: 0 }
    }

    /// Reads up to `length` bytes into it.
    pub(super) fn fill(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.filled = read(&mut self.memory[..length])?;
        Ok(())
    }

    pub(super) const fn filled(&self) -> usize {
        self.filled
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_shows_what_was_read_and_nothing_of_what_was_there_before() {
        for (wanted, word) in [(CHUNK_BYTES, b'a'), (3, b'b'), (CHUNK_BYTES, b'c'), (0, b'd')] {
            let mut buffer = Buffer::take();
            assert!(buffer.as_ref().is_empty());
            let read = |bytes: &mut [u8]| {
                bytes.fill(word);
                Ok(bytes.len())
            };
            buffer.fill(wanted, read).unwrap();
            let bytes = Bytes::from(buffer);
            assert!(bytes.len() == wanted && bytes.iter().all(|&byte| byte == word));
        }
    }
}
