/// What to do with a genuine refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// The newest one is used for the first time: hand out the next, by its number.
    Rotate(u64),
    /// Its answer was lost: hand out the same successor again.
    Repeat(u64),
    /// Its successor was used already: somebody has a copy.
    Reused,
}

/// Judges token `presented` of a chain whose newest token is `newest`.
///
/// A genuine token above the newest was handed out before the store was restored from a backup: its
/// holder did nothing wrong.
#[must_use]
pub const fn judge_refresh(newest: u64, presented: u64) -> RefreshVerdict {
    if presented >= newest {
        RefreshVerdict::Rotate(presented + 1)
    } else if presented + 1 == newest {
        RefreshVerdict::Repeat(newest)
    } else {
        RefreshVerdict::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_repeated_until_its_successor_is_used() {
        assert_eq!(judge_refresh(1, 1), RefreshVerdict::Rotate(2));
        assert_eq!(judge_refresh(2, 1), RefreshVerdict::Repeat(2));
        assert_eq!(judge_refresh(2, 2), RefreshVerdict::Rotate(3));
        assert_eq!(judge_refresh(3, 1), RefreshVerdict::Reused);
    }

    #[test]
    fn a_restored_store_logs_nobody_out() {
        assert_eq!(judge_refresh(2, 7), RefreshVerdict::Rotate(8));
    }
}
