-- What this store is. One row.
CREATE TABLE store (
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    -- Must match the object root's marker.
    store_id    BLOB    NOT NULL,
    epoch       INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

-- Secrets that tickets, access tokens and refresh tokens are made with.
CREATE TABLE keys (
    -- 'ticket', 'access' or 'refresh'
    purpose     TEXT    NOT NULL,
    id          INTEGER NOT NULL,
    secret      BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    -- Used for making until then, for checking until not_after.
    retire_at   INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    PRIMARY KEY (purpose, id)
) STRICT, WITHOUT ROWID;

-- ---- accounts ----------------------------------------------------------------------------

-- A deleted user's row stays, emptied, so that the handle is never given again.
CREATE TABLE users (
    id              BLOB    NOT NULL PRIMARY KEY,
    handle          TEXT    NOT NULL UNIQUE,
    display_name    TEXT    NOT NULL,
    -- Argon2id in PHC form; NULL for users of a trusted issuer and for deleted ones.
    password_hash   TEXT,
    -- The client-made id of the registration.
    request_id      BLOB,
    -- The trusted issuer's subject, 'issuer subject'.
    issuer_subject  TEXT UNIQUE,
    created_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    -- A deletion whose last step is not done.
    deleting        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX users_deleting ON users (id) WHERE deleting = 1;

CREATE TABLE devices (
    user_id         BLOB    NOT NULL,
    id              BLOB    NOT NULL,
    name            TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    -- Everything up to this inbox number is stored on the device.
    acked_seq       INTEGER NOT NULL,
    -- The refresh chain: changes at each log in; refresh_n is the newest token handed out.
    refresh_chain   INTEGER NOT NULL,
    refresh_n       INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_revoked ON devices (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE blocks (
    user_id     BLOB NOT NULL,
    blocked_id  BLOB NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;

-- ---- conversations -----------------------------------------------------------------------

CREATE TABLE conversations (
    id          BLOB    NOT NULL PRIMARY KEY,
    -- 'direct' or 'group'
    kind        TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    -- The newest number given within the conversation.
    head        INTEGER NOT NULL,
    creator_id  BLOB    NOT NULL,
    -- The client-made id of a group's creation, and the BLAKE3 of what was asked for with it.
    request_id  BLOB,
    request_digest BLOB,
    -- A direct conversation's two users, the smaller id first.
    direct_low  BLOB,
    direct_high BLOB,
    created_at  INTEGER NOT NULL,
    UNIQUE (creator_id, request_id),
    UNIQUE (direct_low, direct_high)
) STRICT, WITHOUT ROWID;

-- The present members, with their own marks.
CREATE TABLE members (
    conversation_id BLOB    NOT NULL,
    user_id         BLOB    NOT NULL,
    -- 'member' or 'admin'
    role            TEXT    NOT NULL,
    -- The order of joining decides who is promoted when the last admin leaves.
    joined_seq      INTEGER NOT NULL,
    read_seq        INTEGER NOT NULL,
    delivered_seq   INTEGER NOT NULL,
    -- The newest message of this member that no block refused; 0 for none.
    sent_seq        INTEGER NOT NULL DEFAULT 0,
    muted_until     INTEGER NOT NULL DEFAULT 0,
    -- 0 for the other side of a direct conversation, until a first message reached him.
    known           INTEGER NOT NULL DEFAULT 1,
    -- The protobuf of the newest Receipt in this member's inbox: what need not be told again.
    receipt         BLOB    NOT NULL DEFAULT x'',
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_user ON members (user_id, conversation_id);

-- Who may see which numbers: [joined_seq, left_seq), open while left_seq is NULL.
CREATE TABLE memberships (
    conversation_id BLOB    NOT NULL,
    user_id         BLOB    NOT NULL,
    joined_seq      INTEGER NOT NULL,
    left_seq        INTEGER,
    -- The conversation's title when he left: a later one is not his to see.
    left_title      TEXT,
    PRIMARY KEY (conversation_id, user_id, joined_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_user ON memberships (user_id, conversation_id);

-- ---- messages ----------------------------------------------------------------------------

-- Messages and changes: whatever has a number within a conversation.
CREATE TABLE messages (
    conversation_id BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    id              BLOB    NOT NULL UNIQUE,
    sender_id       BLOB    NOT NULL,
    -- NULL for a message; the protobuf of a Change otherwise.
    change          BLOB,
    client_id       BLOB,
    content_type    TEXT    NOT NULL DEFAULT '',
    -- How many media the message names; they stand in grants.
    media_count     INTEGER NOT NULL DEFAULT 0,
    sent_at         INTEGER NOT NULL,
    expires_at      INTEGER,
    -- Refused by the other member's block: only the sender ever sees it.
    refused         INTEGER NOT NULL DEFAULT 0,
    -- Last: what stands before a long value is read without it.
    body            BLOB    NOT NULL DEFAULT x'',
    PRIMARY KEY (conversation_id, seq)
) STRICT;

-- What a user may see of a conversation is found without walking over what he may not: what was said and
-- reached the others, what changed, and what a block refused, which its sender alone sees.
CREATE INDEX messages_said ON messages (conversation_id, seq, sender_id, expires_at)
    WHERE refused = 0 AND change IS NULL;
CREATE INDEX messages_changed ON messages (conversation_id, seq) WHERE change IS NOT NULL;
CREATE INDEX messages_refused ON messages (conversation_id, sender_id, seq, expires_at) WHERE refused = 1;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_by_age ON messages (sent_at);

-- What makes a send idempotent; outlives the message.
CREATE TABLE send_receipts (
    conversation_id BLOB    NOT NULL,
    sender_id       BLOB    NOT NULL,
    client_id       BLOB    NOT NULL,
    message_id      BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    inbox_seq       INTEGER NOT NULL,
    -- BLAKE3 of the decoded fields.
    digest          BLOB    NOT NULL,
    sent_at         INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, sender_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX send_receipts_by_age ON send_receipts (sent_at);

-- ---- inboxes -----------------------------------------------------------------------------

CREATE TABLE inboxes (
    user_id         BLOB    NOT NULL PRIMARY KEY,
    head            INTEGER NOT NULL,
    -- Numbers below this were dropped by retention.
    first_kept      INTEGER NOT NULL,
    -- The newest message's id, for notices; NULL before the first.
    newest_message  BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox_entries (
    user_id         BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    conversation_id BLOB    NOT NULL,
    -- The message or change; NULL for a receipt.
    conversation_seq INTEGER,
    -- The protobuf of a Receipt; NULL for a message or change.
    receipt         BLOB,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;

-- At most one live receipt per inbox and conversation.
CREATE UNIQUE INDEX inbox_receipts ON inbox_entries (user_id, conversation_id) WHERE receipt IS NOT NULL;
-- One entry per inbox and message: fanning out twice changes nothing.
CREATE UNIQUE INDEX inbox_entries_by_message ON inbox_entries (conversation_id, conversation_seq, user_id)
    WHERE conversation_seq IS NOT NULL;
CREATE INDEX inbox_entries_by_age ON inbox_entries (created_at);

-- Conversations whose marks moved: when their receipts are to be written, and when they last were.
CREATE TABLE receipts_due (
    conversation_id BLOB    NOT NULL PRIMARY KEY,
    -- NULL: nothing to write.
    due_at          INTEGER,
    settled_at      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_due_by_time ON receipts_due (due_at) WHERE due_at IS NOT NULL;

-- ---- media -------------------------------------------------------------------------------

-- An upload and, once complete, the medium of the same id.
CREATE TABLE media (
    id              BLOB    NOT NULL PRIMARY KEY,
    owner_id        BLOB    NOT NULL,
    -- The client-made id of the upload's creation.
    request_id      BLOB,
    file_name       TEXT    NOT NULL,
    content_type    TEXT    NOT NULL,
    -- NULL while the length is deferred.
    size            INTEGER,
    -- What the uploader declared, if he did; checked when the last byte is in.
    declared_sha256 BLOB,
    -- NULL until complete.
    sha256          BLOB,
    created_at      INTEGER NOT NULL,
    completed_at    INTEGER,
    -- An unfinished upload, or a medium that no message names, is removed then.
    expires_at      INTEGER NOT NULL,
    UNIQUE (owner_id, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX media_expiring ON media (expires_at);

-- How far an unfinished upload is.
CREATE TABLE uploads (
    medium_id       BLOB    NOT NULL PRIMARY KEY,
    -- Committed bytes.
    offset          INTEGER NOT NULL,
    -- Raised by each request that continues the upload; only the newest may commit.
    fence           INTEGER NOT NULL,
    -- The SHA-256 state over the committed bytes.
    digest_state    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- The pieces that make up an upload, in the order of their fences.
CREATE TABLE upload_segments (
    medium_id       BLOB    NOT NULL,
    fence           INTEGER NOT NULL,
    -- Committed bytes of this segment; the file may be longer.
    length          INTEGER NOT NULL,
    PRIMARY KEY (medium_id, fence)
) STRICT, WITHOUT ROWID;

-- Who may read a medium: whoever may see this number of this conversation. Outlives the message, unless
-- that had a time to live.
CREATE TABLE grants (
    medium_id       BLOB    NOT NULL,
    conversation_id BLOB    NOT NULL,
    conversation_seq INTEGER NOT NULL,
    -- The place in the message's list.
    position        INTEGER NOT NULL,
    -- The only user whom the grant serves: the sender of a refused message.
    only_for        BLOB,
    -- Of a message with a time to live.
    expires_at      INTEGER,
    PRIMARY KEY (medium_id, conversation_id, conversation_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_message ON grants (conversation_id, conversation_seq, position);
