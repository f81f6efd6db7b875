-- Files that messages carry. The row is made before the first byte is written and goes after the last is deleted: no
-- file is without its row.
CREATE TABLE attachment (
    -- Never given again: who finishes an upload names it by its key.
    key         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 128 random bits.
    id          TEXT NOT NULL UNIQUE,
    owner       INTEGER NOT NULL REFERENCES user (key),
    -- pending: its bytes are on their way; ready: complete, flushed, never changed; discarded: its bytes go, then it.
    state       TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'discarded')),
    -- A message names it, or did: it stays.
    is_used     INTEGER NOT NULL DEFAULT 0 CHECK (is_used IN (0, 1)),
    created_at  INTEGER NOT NULL,
    name        TEXT NOT NULL,
    -- Judged by the bytes; of a file elsewhere, what its sender said.
    media_type  TEXT,
    size        INTEGER,
    width       INTEGER,
    height      INTEGER,
    duration_ms INTEGER,
    -- As `image/jpeg 480x360`; NULL where there is none.
    thumbnail   TEXT,
    poster      TEXT,
    preview     TEXT,
    -- Of a file elsewhere alone: its address, and whether it is an image, a video or a file.
    url         TEXT,
    kind        TEXT,
    CHECK (NOT is_used OR state = 'ready')
) STRICT;

-- For the sweep.
CREATE INDEX attachment_unused ON attachment (created_at, key) WHERE is_used = 0;

-- What each message carries, in its order. Messages of kind text have no row.
CREATE TABLE message_attachment (
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    attachment   INTEGER NOT NULL REFERENCES attachment (key),
    PRIMARY KEY (conversation, seq, ordinal)
) STRICT, WITHOUT ROWID;

-- Where an attachment may be seen.
CREATE INDEX message_attachment_by_attachment ON message_attachment (attachment, conversation, seq);

-- How much each person has here: the sum of the sizes of their attachments that are ready and stored.
CREATE TABLE attachment_usage (
    user  INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;

-- How many memberships have ended: links to files are signed over it, and die when it rises.
ALTER TABLE conversation ADD COLUMN departures INTEGER NOT NULL DEFAULT 0;
