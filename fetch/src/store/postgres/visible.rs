//! Which numbers of a conversation a user may see, found from the newest on.
//!
//! Each kind of row has a number of its own, which is NULL in rows of other kinds, and an index by it. An
//! index by the plain number cannot give their order: whatever the planner believes, what a user may not see
//! is not walked over, however much of it there is. In all of these $1 is the user and $2 the time.

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

    /// The column that numbers them.
    pub(super) const fn seq(self) -> &'static str {
        match self {
            Self::Said => "m.said_seq",
            Self::Changed => "m.changed_seq",
            Self::OwnRefused => "m.refused_seq",
        }
    }

    /// Which of the numbered rows count.
    pub(super) const fn rows(self) -> &'static str {
        match self {
            Self::Said | Self::Changed => "true",
            Self::OwnRefused => "m.sender_id = $1",
        }
    }

    /// Those of its rows that did not expire.
    pub(super) fn living(self) -> String {
        match self {
            Self::Changed => self.rows().to_owned(),
            Self::Said | Self::OwnRefused => {
                format!("{} AND (m.expires_at IS NULL OR m.expires_at > $2)", self.rows())
            }
        }
    }
}

/// The numbers of one kind in `conversation`, from `from` on and below `below`, newest first, `limit` at most.
fn newest(kind: Kind, conversation: &str, from: &str, below: &str, limit: &str) -> String {
    let (seq, living) = (kind.seq(), kind.living());
    format!(
        "SELECT {seq} AS seq FROM messages m WHERE m.conversation_id = {conversation} \
         AND {seq} >= {from} AND {seq} < {below} AND {living} ORDER BY {seq} DESC LIMIT {limit}"
    )
}

/// The number of the newest message in `conversation`; NULL for none.
pub(super) fn newest_message(conversation: &str) -> String {
    let newest = Kind::MESSAGES.map(|kind| {
        let newest = newest(kind, conversation, "i.joined_seq", LEFT_SEQ, "1");
        format!(
            "(SELECT max(({newest})) FROM memberships i \
                 WHERE i.conversation_id = {conversation} AND i.user_id = $1)"
        )
    });
    format!("greatest({})", newest.join(", "))
}

/// At most `limit` numbers of all kinds, as [`newest`] has them of one.
pub(super) fn newest_of_all(conversation: &str, from: &str, below: &str, limit: &str) -> String {
    let kinds = Kind::ALL.map(|kind| {
        let newest = newest(kind, conversation, from, below, limit);
        format!("({newest})")
    });
    format!("{} ORDER BY seq DESC LIMIT {limit}", kinds.join(" UNION ALL "))
}

/// The user's intervals of conversation $2 in which there is something below $3, newest first.
pub(super) fn intervals() -> String {
    format!(
        "SELECT i.joined_seq AS from_seq, least({LEFT_SEQ}, $3) AS below_seq FROM memberships i \
         WHERE i.conversation_id = $2 AND i.user_id = $1 AND i.joined_seq < $3 \
             AND EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = $2 \
                 AND m.seq >= i.joined_seq AND m.seq < least({LEFT_SEQ}, $3)) \
         ORDER BY i.joined_seq DESC"
    )
}

/// Where an interval `i` ends.
const LEFT_SEQ: &str = "coalesce(i.left_seq, 9223372036854775807)";
