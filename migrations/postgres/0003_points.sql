-- The order of a device's connections is told by the store, to all nodes alike.
CREATE SEQUENCE points AS bigint;
