//! Length-prefixed frames out of a stream of bytes.

use super::FrameError;

/// Cuts a byte stream into frames; holds nothing between whole frames.
///
/// Bytes are fed from a buffer that the caller keeps for all its connections, so that an idle
/// connection owns none.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The beginning of a frame whose end has not come; unallocated otherwise.
    partial: Vec<u8>,
}

impl FrameDecoder {
    /// Takes the next frame from the front of `input`, or stores what is there of it.
    ///
    /// Returns the frame's bytes without the prefix. `None` means that `input` is used up. `limit` is
    /// the longest frame allowed, in bytes.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`] as soon as the prefix says so; nothing is allocated for such a frame.
    pub fn next_frame(
        &mut self,
        input: &mut &[u8],
        limit: usize,
    ) -> Result<Option<Vec<u8>>, FrameError> {
        self.fill_to(PREFIX_BYTES, input);
        let [high, low, ..] = self.partial[..] else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > limit {
            return Err(FrameError::TooLarge { length, limit });
        }
        self.fill_to(PREFIX_BYTES + length, input);
        if self.partial.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        let mut frame = std::mem::take(&mut self.partial);
        frame.drain(..PREFIX_BYTES);
        Ok(Some(frame))
    }

    /// Whether the stream stands between two frames.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.partial.is_empty()
    }

    fn fill_to(&mut self, length: usize, input: &mut &[u8]) {
        let missing = length.saturating_sub(self.partial.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(taken);
        *input = rest;
    }
}

const PREFIX_BYTES: usize = 2;
