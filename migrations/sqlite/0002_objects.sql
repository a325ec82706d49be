-- Where media lie is the objects' own knowledge: the store keeps it for them, and knows which place is its own.

-- The place's id, as its marker has it; NULL until the first start with one.
ALTER TABLE store ADD COLUMN objects_id BLOB;

-- Names the finished object among what lies there under the medium's id; NULL until complete.
ALTER TABLE media ADD COLUMN object TEXT;
UPDATE media SET object = 'whole' WHERE sha256 IS NOT NULL;

-- Where the committed bytes are found, in the words of the place that holds them; empty while there are none.
ALTER TABLE uploads ADD COLUMN layout TEXT NOT NULL DEFAULT '';
UPDATE uploads SET layout = coalesce(
    (SELECT json_group_array(json_array(fence, length)) FROM
        (SELECT fence, length FROM upload_segments WHERE medium_id = uploads.medium_id ORDER BY fence)
     HAVING count(*) > 0), '');
DROP TABLE upload_segments;

-- Multipart uploads that were begun at an object store, which does not list them. A row outlives its upload
-- until what it names is aborted.
CREATE TABLE multiparts (
    medium_id       BLOB    NOT NULL,
    -- The object that it becomes.
    name            TEXT    NOT NULL,
    multipart_id    TEXT    NOT NULL,
    -- Once; a part that was on its way then is removed by the second time.
    aborted         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (medium_id, name)
) STRICT, WITHOUT ROWID;
