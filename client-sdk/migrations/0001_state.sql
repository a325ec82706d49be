-- What an app's device remembers. One file per account.

-- One row, made when the folder is first opened.
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Client-made ids, stored before they are first said: a retry names the same account and device.
    registration_id BLOB NOT NULL,
    device_id BLOB NOT NULL,
    -- Absent until the first log in.
    user_id BLOB,
    handle TEXT,
    display_name TEXT,
    -- Absent until the first log in, and after a log out.
    connect_ticket BLOB,
    access_token TEXT,
    refresh_token TEXT,
    -- Everything up to here is stored.
    epoch INTEGER,
    seq INTEGER
);

-- What came in and the app has not confirmed, in the order in which it is told.
CREATE TABLE updates (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 1: entry is an InboxEntry in protobuf; 2: the inbox was read anew, entry says why.
    kind INTEGER NOT NULL,
    entry BLOB NOT NULL,
    -- Of a message with a time to live, milliseconds since 1970.
    expires_at_ms INTEGER,
    -- The conversation of a receipt: a newer one takes its place.
    receipt_of BLOB UNIQUE
);

CREATE INDEX updates_by_expiry ON updates (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- Messages and changes that are known, by id: in a new epoch the numbers begin again, the ids do not.
CREATE TABLE received (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE
);

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    client_message_id BLOB NOT NULL UNIQUE,
    conversation_id BLOB NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    ttl_s INTEGER,
    -- Media that exist already, a JSON array of ids; those of uploads come before them.
    media TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    -- 1 to be sent, 2 sent, 3 given up.
    state INTEGER NOT NULL,
    message_id BLOB,
    conversation_seq INTEGER,
    sent_at_ms INTEGER,
    -- Why it was given up: an error code, empty when it was no refusal, and a text.
    failure_code TEXT,
    failure TEXT,
    -- The process that sends it; absent when the one with the lock does.
    sender INTEGER
);
CREATE INDEX outbox_by_state ON outbox (state, position);

-- Files that messages of the outbox wait for.
CREATE TABLE uploads (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    client_message_id BLOB NOT NULL REFERENCES outbox (client_message_id) ON DELETE CASCADE,
    request_id BLOB NOT NULL UNIQUE,
    path BLOB NOT NULL,
    file_name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    -- Of the whole file, once it was read.
    sha256 BLOB,
    -- Once the server knows of it.
    medium_id BLOB,
    is_complete INTEGER NOT NULL DEFAULT 0,
    is_paused INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX uploads_by_message ON uploads (client_message_id);

-- Who is behind an id, as far as this device has seen.
CREATE TABLE people (
    user_id BLOB PRIMARY KEY,
    handle TEXT NOT NULL,
    display_name TEXT NOT NULL
) WITHOUT ROWID;
