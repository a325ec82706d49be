//! Which numbers of a conversation a user may see, found from the newest on.
//!
//! Each search goes by one partial index and within the user's intervals: what he may not see is not
//! walked over, however much of it there is. In all of them ?1 is the user and ?2 the time.

/// Rows of `messages m` that have an index of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was said and reached the others.
    Said,
    /// What changed.
    Changed,
    /// What a block refused: its sender alone sees it.
    OwnRefused,
}

impl Kind {
    /// All that a user may see.
    pub(super) const ALL: [Self; 3] = [Self::Said, Self::Changed, Self::OwnRefused];
    /// What of it are messages.
    pub(super) const MESSAGES: [Self; 2] = [Self::Said, Self::OwnRefused];

    /// The table with its index, to be searched by `conversation_id` and `seq`.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Said => "messages m INDEXED BY messages_said",
            Self::Changed => "messages m INDEXED BY messages_changed",
            Self::OwnRefused => "messages m INDEXED BY messages_refused",
        }
    }

    /// Which rows it has.
    pub(super) const fn rows(self) -> &'static str {
        match self {
            Self::Said => "m.refused = 0 AND m.change IS NULL",
            Self::Changed => "m.change IS NOT NULL",
            Self::OwnRefused => "m.refused = 1 AND m.sender_id = ?1",
        }
    }

    /// Those of its rows that did not expire.
    pub(super) fn living(self) -> String {
        match self {
            Self::Changed => self.rows().to_owned(),
            Self::Said | Self::OwnRefused => {
                format!("{} AND (m.expires_at IS NULL OR m.expires_at > ?2)", self.rows())
            }
        }
    }
}

/// The numbers of one kind in `conversation`, from `from` on and below `below`, newest first.
fn newest(kind: Kind, conversation: &str, from: &str, below: &str) -> String {
    let (table, living) = (kind.table(), kind.living());
    format!(
        "SELECT m.seq FROM {table} WHERE m.conversation_id = {conversation} \
         AND m.seq >= {from} AND m.seq < {below} AND {living} ORDER BY m.seq DESC"
    )
}

/// The number of the newest message in `conversation`; NULL for none.
pub(super) fn newest_message(conversation: &str) -> String {
    let newest = Kind::MESSAGES.map(|kind| {
        let newest = newest(kind, conversation, "i.joined_seq", LEFT_SEQ);
        format!(
            "coalesce((SELECT max(({newest} LIMIT 1)) FROM memberships i \
                 WHERE i.conversation_id = {conversation} AND i.user_id = ?1), 0)"
        )
    });
    format!("nullif(max({}), 0)", newest.join(", "))
}

/// At most `limit` numbers of all kinds, as [`newest`] has them of one.
pub(super) fn newest_of_all(conversation: &str, from: &str, below: &str, limit: &str) -> String {
    let kinds = Kind::ALL.map(|kind| {
        let newest = newest(kind, conversation, from, below);
        format!("SELECT seq FROM ({newest})")
    });
    format!("{} ORDER BY seq DESC LIMIT {limit}", kinds.join(" UNION ALL "))
}

/// The user's intervals of conversation ?2 in which there is something below ?3, newest first.
pub(super) fn intervals() -> String {
    format!(
        "SELECT i.joined_seq AS from_seq, min({LEFT_SEQ}, ?3) AS below_seq FROM memberships i \
         WHERE i.conversation_id = ?2 AND i.user_id = ?1 AND i.joined_seq < ?3 \
             AND EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = ?2 \
                 AND m.seq >= i.joined_seq AND m.seq < min({LEFT_SEQ}, ?3)) \
         ORDER BY i.joined_seq DESC"
    )
}

/// Where an interval `i` ends.
const LEFT_SEQ: &str = "coalesce(i.left_seq, 9223372036854775807)";
