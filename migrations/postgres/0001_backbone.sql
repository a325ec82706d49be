-- Ids are uuids, times milliseconds since 1970, numbers bigints that are never negative.
--
-- Every table that grows is led by the id it is sharded by: user, conversation or medium. An engine that
-- distributes tables (Citus and the like) keeps a unique constraint only if it contains that id, so there are no
-- others; what must be unique by something else has a small table of its own, led by just that (direct_pairs,
-- group_requests, upload_requests). Foreign keys are absent for the same reason. Users, keys and the store's row
-- are small and change rarely: such an engine copies them to all its nodes.
--
-- Rows that are updated again and again have room left on their pages (fillfactor), so that an update needs no
-- new index entry.

-- What this store is. One row.
CREATE TABLE store (
    singleton   integer PRIMARY KEY CHECK (singleton = 1),
    -- Must match the object root's marker.
    store_id    uuid    NOT NULL,
    epoch       bigint  NOT NULL,
    created_at  bigint  NOT NULL,
    -- The server and the history of it that the numbers were given on. Another one begins another epoch.
    system_id   bigint  NOT NULL,
    timeline    bigint  NOT NULL
);

-- Secrets that tickets, access tokens and refresh tokens are made with.
CREATE TABLE keys (
    -- 'ticket', 'access' or 'refresh'
    purpose     text    NOT NULL,
    id          bigint  NOT NULL,
    secret      bytea   NOT NULL,
    created_at  bigint  NOT NULL,
    -- Used for making until then, for checking until not_after.
    retire_at   bigint  NOT NULL,
    not_after   bigint  NOT NULL,
    PRIMARY KEY (purpose, id)
);

-- ---- accounts ----------------------------------------------------------------------------

-- A deleted user's row stays, emptied, so that the handle is never given again.
CREATE TABLE users (
    id              uuid    NOT NULL PRIMARY KEY,
    handle          text    NOT NULL UNIQUE,
    display_name    text    NOT NULL,
    -- Argon2id in PHC form; NULL for users of a trusted issuer and for deleted ones.
    password_hash   text,
    -- The client-made id of the registration.
    request_id      uuid,
    -- The trusted issuer's subject, 'issuer subject'.
    issuer_subject  text UNIQUE,
    created_at      bigint  NOT NULL,
    deleted_at      bigint,
    -- A deletion whose last step is not done.
    deleting        boolean NOT NULL DEFAULT false
);

CREATE INDEX users_deleting ON users (id) WHERE deleting;

CREATE TABLE devices (
    user_id         uuid    NOT NULL,
    id              uuid    NOT NULL,
    name            text    NOT NULL,
    created_at      bigint  NOT NULL,
    revoked_at      bigint,
    -- Everything up to this inbox number is stored on the device.
    acked_seq       bigint  NOT NULL,
    -- The refresh chain: changes at each log in; refresh_n is the newest token handed out.
    refresh_chain   bigint  NOT NULL,
    refresh_n       bigint  NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 70);

CREATE INDEX devices_revoked ON devices (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE blocks (
    user_id     uuid NOT NULL,
    blocked_id  uuid NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);

-- ---- conversations -----------------------------------------------------------------------

CREATE TABLE conversations (
    id          uuid    NOT NULL PRIMARY KEY,
    -- 'direct' or 'group'
    kind        text    NOT NULL,
    title       text    NOT NULL,
    -- The newest number given within the conversation.
    head        bigint  NOT NULL,
    creator_id  uuid    NOT NULL,
    created_at  bigint  NOT NULL
) WITH (fillfactor = 70);

-- Two users have one direct conversation, the smaller id first.
CREATE TABLE direct_pairs (
    low_id          uuid NOT NULL,
    high_id         uuid NOT NULL,
    conversation_id uuid NOT NULL,
    PRIMARY KEY (low_id, high_id)
);

-- A group is made once per client-made id.
CREATE TABLE group_requests (
    creator_id      uuid  NOT NULL,
    request_id      uuid  NOT NULL,
    conversation_id uuid  NOT NULL,
    -- The BLAKE3 of what was asked for.
    digest          bytea NOT NULL,
    PRIMARY KEY (creator_id, request_id)
);

-- The present members, with their own marks.
CREATE TABLE members (
    conversation_id uuid    NOT NULL,
    user_id         uuid    NOT NULL,
    -- 'member' or 'admin'
    role            text    NOT NULL,
    -- The order of joining decides who is promoted when the last admin leaves.
    joined_seq      bigint  NOT NULL,
    read_seq        bigint  NOT NULL,
    delivered_seq   bigint  NOT NULL,
    -- The newest message of this member that no block refused; 0 for none.
    sent_seq        bigint  NOT NULL DEFAULT 0,
    muted_until     bigint  NOT NULL DEFAULT 0,
    -- False for the other side of a direct conversation, until a first message reached him.
    known           boolean NOT NULL DEFAULT true,
    -- The protobuf of the newest Receipt in this member's inbox: what need not be told again.
    receipt         bytea   NOT NULL DEFAULT '',
    PRIMARY KEY (conversation_id, user_id)
) WITH (fillfactor = 70);

CREATE INDEX members_by_user ON members (user_id, conversation_id);

-- Who may see which numbers: [joined_seq, left_seq), open while left_seq is NULL.
CREATE TABLE memberships (
    conversation_id uuid    NOT NULL,
    user_id         uuid    NOT NULL,
    joined_seq      bigint  NOT NULL,
    left_seq        bigint,
    -- The conversation's title when he left: a later one is not his to see.
    left_title      text,
    PRIMARY KEY (conversation_id, user_id, joined_seq)
);

CREATE INDEX memberships_by_user ON memberships (user_id, conversation_id);

-- ---- messages ----------------------------------------------------------------------------

-- Messages and changes: whatever has a number within a conversation.
CREATE TABLE messages (
    conversation_id uuid    NOT NULL,
    seq             bigint  NOT NULL,
    -- Unique because the server made it so (UUIDv7).
    id              uuid    NOT NULL,
    sender_id       uuid    NOT NULL,
    -- NULL for a message; the protobuf of a Change otherwise.
    change          bytea,
    client_id       uuid,
    content_type    text    NOT NULL DEFAULT '',
    -- How many media the message names; they stand in grants.
    media_count     bigint  NOT NULL DEFAULT 0,
    sent_at         bigint  NOT NULL,
    expires_at      bigint,
    -- Refused by the other member's block: only the sender ever sees it.
    refused         boolean NOT NULL DEFAULT false,
    body            bytea   NOT NULL DEFAULT '',
    -- The number again, by kind: only the kind's own index can order by it, so that no plan walks over the rows
    -- of another kind.
    said_seq        bigint  GENERATED ALWAYS AS
        (CASE WHEN NOT refused AND change IS NULL THEN seq END) STORED,
    changed_seq     bigint  GENERATED ALWAYS AS (CASE WHEN change IS NOT NULL THEN seq END) STORED,
    refused_seq     bigint  GENERATED ALWAYS AS (CASE WHEN refused THEN seq END) STORED,
    PRIMARY KEY (conversation_id, seq)
);

-- Bodies are opaque: mostly what does not compress.
ALTER TABLE messages ALTER COLUMN body SET STORAGE EXTERNAL;

-- What a user may see of a conversation is found without walking over what he may not: what was said and
-- reached the others, what changed, and what a block refused, which its sender alone sees.
CREATE INDEX messages_said ON messages (conversation_id, said_seq) INCLUDE (sender_id, expires_at)
    WHERE said_seq IS NOT NULL;
CREATE INDEX messages_changed ON messages (conversation_id, changed_seq) WHERE changed_seq IS NOT NULL;
CREATE INDEX messages_refused ON messages (conversation_id, sender_id, refused_seq) INCLUDE (expires_at)
    WHERE refused_seq IS NOT NULL;
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_by_age ON messages (sent_at);

-- What makes a send idempotent; outlives the message.
CREATE TABLE send_receipts (
    conversation_id uuid    NOT NULL,
    sender_id       uuid    NOT NULL,
    client_id       uuid    NOT NULL,
    message_id      uuid    NOT NULL,
    seq             bigint  NOT NULL,
    -- Of the sender's own entry; 0 until the message is fanned out.
    inbox_seq       bigint  NOT NULL,
    -- BLAKE3 of the decoded fields.
    digest          bytea   NOT NULL,
    sent_at         bigint  NOT NULL,
    PRIMARY KEY (conversation_id, sender_id, client_id)
);

CREATE INDEX send_receipts_by_age ON send_receipts (sent_at);

-- Messages that are committed, and whose entries are not yet in all inboxes: there is a row only while the two
-- are transactions of their own. Whoever finds one finishes it.
CREATE TABLE fan_outs (
    conversation_id uuid    NOT NULL,
    seq             bigint  NOT NULL,
    message_id      uuid    NOT NULL,
    sender_id       uuid    NOT NULL,
    -- The device that needs no notice of it.
    device_id       uuid    NOT NULL,
    client_id       uuid    NOT NULL,
    -- Whose inboxes get an entry.
    audience        uuid[]  NOT NULL,
    created_at      bigint  NOT NULL,
    PRIMARY KEY (conversation_id, seq)
);

CREATE INDEX fan_outs_by_age ON fan_outs (created_at);

-- ---- inboxes -----------------------------------------------------------------------------

CREATE TABLE inboxes (
    user_id         uuid    NOT NULL PRIMARY KEY,
    head            bigint  NOT NULL,
    -- Numbers below this were dropped by retention.
    first_kept      bigint  NOT NULL,
    -- The newest message's id, for notices; NULL before the first.
    newest_message  uuid
) WITH (fillfactor = 50);

CREATE TABLE inbox_entries (
    user_id         uuid    NOT NULL,
    seq             bigint  NOT NULL,
    conversation_id uuid    NOT NULL,
    -- The message or change; NULL for a receipt.
    conversation_seq bigint,
    -- The protobuf of a Receipt; NULL for a message or change.
    receipt         bytea,
    created_at      bigint  NOT NULL,
    PRIMARY KEY (user_id, seq)
);

-- At most one live receipt per inbox and conversation.
CREATE UNIQUE INDEX inbox_receipts ON inbox_entries (user_id, conversation_id) WHERE receipt IS NOT NULL;
-- One entry per inbox and message: fanning out twice changes nothing.
CREATE UNIQUE INDEX inbox_entries_by_message ON inbox_entries (conversation_id, conversation_seq, user_id)
    WHERE conversation_seq IS NOT NULL;
CREATE INDEX inbox_entries_by_age ON inbox_entries (created_at);

-- Conversations whose marks moved: when their receipts are to be written, and when they last were.
CREATE TABLE receipts_due (
    conversation_id uuid    NOT NULL PRIMARY KEY,
    -- NULL: nothing to write.
    due_at          bigint,
    settled_at      bigint  NOT NULL DEFAULT 0,
    -- How often marks moved: what moved while receipts were written is not taken for written.
    changes         bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE INDEX receipts_due_by_time ON receipts_due (due_at) WHERE due_at IS NOT NULL;

-- ---- media -------------------------------------------------------------------------------

-- An upload and, once complete, the medium of the same id.
CREATE TABLE media (
    id              uuid    NOT NULL PRIMARY KEY,
    owner_id        uuid    NOT NULL,
    -- The client-made id of the upload's creation; unique by upload_requests.
    request_id      uuid,
    file_name       text    NOT NULL,
    content_type    text    NOT NULL,
    -- NULL while the length is deferred.
    size            bigint,
    -- What the uploader declared, if he did; checked when the last byte is in.
    declared_sha256 bytea,
    -- NULL until complete.
    sha256          bytea,
    created_at      bigint  NOT NULL,
    completed_at    bigint,
    -- An unfinished upload, or a medium that no message names, is removed then.
    expires_at      bigint  NOT NULL
);

CREATE INDEX media_by_owner ON media (owner_id) INCLUDE (size, completed_at);
CREATE INDEX media_expiring ON media (expires_at);

-- An upload is made once per client-made id.
CREATE TABLE upload_requests (
    owner_id        uuid NOT NULL,
    request_id      uuid NOT NULL,
    medium_id       uuid NOT NULL,
    PRIMARY KEY (owner_id, request_id)
);

-- How far an unfinished upload is.
CREATE TABLE uploads (
    medium_id       uuid    NOT NULL PRIMARY KEY,
    -- Committed bytes.
    "offset"        bigint  NOT NULL,
    -- Raised by each request that continues the upload; only the newest may commit.
    fence           bigint  NOT NULL,
    -- The SHA-256 state over the committed bytes.
    digest_state    bytea   NOT NULL
) WITH (fillfactor = 50);

-- Who may read a medium: whoever may see this number of this conversation. Outlives the message, unless
-- that had a time to live.
CREATE TABLE grants (
    medium_id       uuid    NOT NULL,
    conversation_id uuid    NOT NULL,
    conversation_seq bigint NOT NULL,
    -- The place in the message's list.
    position        bigint  NOT NULL,
    -- The only user whom the grant serves: the sender of a refused message.
    only_for        uuid,
    -- Of a message with a time to live.
    expires_at      bigint,
    PRIMARY KEY (medium_id, conversation_id, conversation_seq)
);

CREATE INDEX grants_by_message ON grants (conversation_id, conversation_seq, position);
