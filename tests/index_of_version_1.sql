CREATE TABLE object (
    sha256   TEXT PRIMARY KEY,
    format   TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    used_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX object_by_use ON object (used_at);
CREATE TABLE entry (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL,
    variant     TEXT NOT NULL DEFAULT '',
    sha256      TEXT NOT NULL REFERENCES object,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    frames      INTEGER NOT NULL,
    verified    TEXT NOT NULL,
    url         TEXT NOT NULL,
    status      INTEGER NOT NULL,
    headers     TEXT NOT NULL,
    asked_at    REAL NOT NULL,
    received_at REAL NOT NULL,
    bound       REAL,
    unasked_until REAL,
    UNIQUE (key, variant)
);
CREATE INDEX entry_of_object ON entry (sha256);
CREATE TABLE rendition (
    key   TEXT PRIMARY KEY,
    image INTEGER,
    width INTEGER NOT NULL
);
CREATE INDEX rendition_of_image ON rendition (image);
CREATE TRIGGER image_of_nothing AFTER DELETE ON entry BEGIN
    DELETE FROM rendition WHERE image = (SELECT image FROM rendition WHERE key = old.key)
    AND NOT EXISTS (
        SELECT 1 FROM rendition other JOIN entry USING (key) WHERE other.image = rendition.image
    );
END;
CREATE TABLE pin (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE clock (time REAL NOT NULL, doubted REAL);
CREATE TABLE total (objects INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0);
CREATE TRIGGER object_added AFTER INSERT ON object BEGIN
    UPDATE total SET objects = objects + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER object_changed AFTER UPDATE OF bytes ON object BEGIN
    UPDATE total SET bytes = bytes - old.bytes + new.bytes;
END;
CREATE TRIGGER object_dropped AFTER DELETE ON object BEGIN
    UPDATE total SET objects = objects - 1, bytes = bytes - old.bytes;
END;
PRAGMA application_id = 1768777574;
PRAGMA user_version = 1;
