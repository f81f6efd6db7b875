-- Integer keys inside; texts that the outside knows (`id`) on users, listings and conversations alone.
-- Times are milliseconds since the Unix epoch. Tables that are written with every message reference nobody: the
-- sender's participation, found first, stands for both references, at no cost.

CREATE TABLE user (
    key              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    name             TEXT,
    email            TEXT,
    image            TEXT,
    role             TEXT,
    last_seen_at     INTEGER,
    host_put_at      INTEGER,
    claims_issued_at INTEGER
) STRICT;

CREATE TABLE listing (
    key   INTEGER PRIMARY KEY,
    id    TEXT NOT NULL UNIQUE,
    title TEXT,
    image TEXT,
    url   TEXT,
    price TEXT,
    owner INTEGER REFERENCES user (key)
) STRICT;

CREATE TABLE conversation (
    -- Both bounds come from the key of `message`.
    key             INTEGER PRIMARY KEY CHECK (key < 1 << 31),
    last_seq        INTEGER NOT NULL DEFAULT 0 CHECK (last_seq < 1 << 32),
    -- When the message at `last_seq` came; NULL before the first.
    last_message_at INTEGER,
    -- The latest time given out in this conversation: none is ever earlier, whatever the clock does.
    latest_at       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    is_active       INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    -- How many times somebody came in: the next `standing`.
    arrivals        INTEGER NOT NULL DEFAULT 0,
    -- The two of a one-to-one conversation, by key; NULL in a group.
    lower_user      INTEGER REFERENCES user (key),
    higher_user     INTEGER REFERENCES user (key),
    asker           INTEGER REFERENCES user (key),
    -- 0 is none: NULLs would be distinct in the unique index below.
    listing         INTEGER NOT NULL DEFAULT 0,
    id              TEXT NOT NULL UNIQUE,
    title           TEXT,
    CHECK (
        (lower_user IS NULL AND higher_user IS NULL AND asker IS NULL AND listing = 0)
        OR (lower_user < higher_user AND asker IN (lower_user, higher_user))
    )
) STRICT;

-- Of two people and a listing, or none, there is one conversation.
CREATE UNIQUE INDEX conversation_of_pair ON conversation (lower_user, higher_user, listing)
    WHERE lower_user IS NOT NULL;

-- Clustered by user: every read for somebody starts here.
CREATE TABLE participant (
    user           INTEGER NOT NULL REFERENCES user (key),
    conversation   INTEGER NOT NULL REFERENCES conversation (key),
    -- Messages above `from_seq` are seen, up to `to_seq`, which is NULL while the membership lasts.
    from_seq       INTEGER NOT NULL,
    to_seq         INTEGER,
    -- The mark. Messages of others above it are unread: (last_seq - read_seq) - (sent - sent_at_read).
    read_seq       INTEGER NOT NULL,
    sent           INTEGER NOT NULL DEFAULT 0,
    sent_at_read   INTEGER NOT NULL DEFAULT 0,
    -- When the mark was last moved by its owner.
    read_at        INTEGER,
    -- The newest message seen when the last membership ended, and when it came; 0 and NULL when there was none.
    kept_seq       INTEGER NOT NULL DEFAULT 0,
    kept_at        INTEGER,
    -- The group's title then.
    kept_title     TEXT,
    -- How many memberships ended before this one: their parts of the history are in `earlier_span`.
    returns        INTEGER NOT NULL DEFAULT 0,
    is_admin       INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1)),
    joined_at      INTEGER NOT NULL,
    left_at        INTEGER,
    -- Rises with each arrival: lowest is longest-standing.
    standing       INTEGER NOT NULL,
    PRIMARY KEY (user, conversation),
    CHECK ((to_seq IS NULL) = (left_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX participant_by_standing ON participant (conversation, standing);

-- What somebody who came back saw before: messages above `from_seq`, up to `to_seq`.
CREATE TABLE earlier_span (
    user         INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    from_seq     INTEGER NOT NULL,
    to_seq       INTEGER NOT NULL,
    PRIMARY KEY (user, conversation, from_seq),
    CHECK (from_seq < to_seq)
) STRICT, WITHOUT ROWID;

-- The key is `conversation << 32 | seq`: a page of history is a few neighbouring pages of the file, and only leaves
-- hold contents. WITHOUT ROWID, every level of the tree would: with 4 KB a message a send cost 134 us of CPU instead of 85,
-- a page of the list of conversations 1,820 us instead of 630. An index beside a table in order of arrival makes sends
-- cheaper (52 us) and pages of history dearer (107 bytes a message: 100 us instead of 60), more so from the disk.
-- The content comes last, so that what is read without it stays clear of overflow pages.
CREATE TABLE message (
    key               INTEGER PRIMARY KEY,
    sender            INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    reply_to          INTEGER,
    kind              TEXT NOT NULL,
    client_message_id TEXT,
    content           TEXT NOT NULL
) STRICT;

-- What each sender called their messages, kept for ever. The client's id comes first: those that rise with time
-- (ULID, UUIDv7) all land on one page.
CREATE TABLE client_message (
    client_message_id TEXT NOT NULL,
    sender            INTEGER NOT NULL,
    conversation      INTEGER NOT NULL,
    seq               INTEGER NOT NULL,
    digest            BLOB NOT NULL,
    PRIMARY KEY (client_message_id, sender, conversation)
) STRICT, WITHOUT ROWID;

-- Who first passed which messages with a mark (`turn` 1), and who passed them next (`turn` 2): messages above
-- `from_seq`, up to `to_seq`. One's own message is not read by oneself; two turns are enough to know the first other.
-- Rows are only ever added; those of one conversation and turn never overlap.
CREATE TABLE passed (
    conversation INTEGER NOT NULL,
    turn         INTEGER NOT NULL CHECK (turn IN (1, 2)),
    to_seq       INTEGER NOT NULL,
    from_seq     INTEGER NOT NULL,
    user         INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (conversation, turn, to_seq),
    CHECK (from_seq < to_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE post (
    key       INTEGER PRIMARY KEY CHECK (key < 1 << 31),
    last_seq  INTEGER NOT NULL DEFAULT 0 CHECK (last_seq < 1 << 32),
    latest_at INTEGER NOT NULL,
    id        TEXT NOT NULL UNIQUE
) STRICT;

-- The key is `post << 32 | seq`, as in `message`.
CREATE TABLE comment (
    key        INTEGER PRIMARY KEY,
    author     INTEGER NOT NULL REFERENCES user (key),
    created_at INTEGER NOT NULL,
    text       TEXT NOT NULL
) STRICT;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row, written to see whether the file can be.
CREATE TABLE probe (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    written_at INTEGER NOT NULL
) STRICT;
