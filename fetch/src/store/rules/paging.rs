use nudge_proto::limits::PAGE_BYTES_MAX;

/// How much a page of rows still takes: bounded by count and by bytes, and never empty for their sake.
#[derive(Clone, Copy, Debug)]
pub struct PageRoom {
    taken: usize,
    bytes: usize,
    rows_max: usize,
    bytes_max: usize,
}

impl PageRoom {
    /// Of a page with at most that many rows, and [`PAGE_BYTES_MAX`].
    #[must_use]
    pub const fn new(rows_max: usize) -> Self {
        Self { taken: 0, bytes: 0, rows_max, bytes_max: PAGE_BYTES_MAX }
    }

    /// Whether the next row, which counts that many bytes, has a place. After the first that had none, none
    /// has.
    pub const fn take(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let is_full = self.taken >= self.rows_max || self.bytes > self.bytes_max;
        if is_full && self.taken > 0 {
            self.rows_max = 0;
            return false;
        }
        self.taken += 1;
        true
    }
}

/// What a message or change counts against the bytes of a page.
#[must_use]
pub const fn row_weight(body_bytes: usize, media: usize) -> usize {
    ROW_WEIGHT + body_bytes + media * MEDIUM_WEIGHT
}

/// Ids, numbers, times and the content type of one row, in bytes.
const ROW_WEIGHT: usize = 256;
/// A medium's names and digest, in bytes.
const MEDIUM_WEIGHT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_by_rows_and_by_bytes_and_never_empty() {
        let mut rows = PageRoom::new(2);
        assert_eq!([rows.take(1), rows.take(1), rows.take(1)], [true, true, false]);
        let mut bytes = PageRoom::new(9);
        assert!(bytes.take(PAGE_BYTES_MAX));
        assert!(!bytes.take(1));
        let mut large = PageRoom::new(9);
        assert!(large.take(PAGE_BYTES_MAX + 1), "one row always has a place");
        assert!(!large.take(0));
    }

    #[test]
    fn after_a_row_without_a_place_none_has_one() {
        let mut room = PageRoom::new(9);
        assert!(room.take(PAGE_BYTES_MAX - 1));
        assert!(!room.take(2));
        assert!(!room.take(0));
    }
}
