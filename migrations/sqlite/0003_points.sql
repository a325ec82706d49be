-- The order of a device's connections is told by the store.

-- How often the store was opened: the high part of every point that is given meanwhile.
ALTER TABLE store ADD COLUMN openings INTEGER NOT NULL DEFAULT 0;
