-- The oldest program that can use this database, by the newest migration that it knows. A migration that older
-- programs cannot live with raises it.
ALTER TABLE store ADD COLUMN compatible_from bigint NOT NULL DEFAULT 0;
