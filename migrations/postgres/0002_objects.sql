-- Objects may lie elsewhere than in a folder.

-- Where the objects find the committed bytes of an upload; theirs alone to read.
ALTER TABLE uploads ADD COLUMN layout text NOT NULL DEFAULT '';

-- The finished object; NULL until complete.
ALTER TABLE media ADD COLUMN object text;

-- The object root that belongs to this store; NULL until one was claimed.
ALTER TABLE store ADD COLUMN objects_id uuid;

-- Multipart uploads that were begun at the object store: what is left of them is to be aborted.
CREATE TABLE multiparts (
    medium_id       uuid    NOT NULL,
    name            text    NOT NULL,
    multipart_id    text    NOT NULL,
    -- Aborted once; the next time the row goes.
    aborted         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (medium_id, name)
);
