-- Files that messages carry. The row is made before the first byte is written and goes after the last is deleted: no
-- file is without its row.
CREATE TABLE doorbell.attachment (
    key         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- 128 random bits.
    id          text COLLATE "C" NOT NULL UNIQUE,
    owner       bigint NOT NULL REFERENCES doorbell.app_user (key),
    -- pending: its bytes are on their way; ready: complete, flushed, never changed; discarded: its bytes go, then it.
    state       text NOT NULL CHECK (state IN ('pending', 'ready', 'discarded')),
    -- A message names it, or did: it stays.
    is_used     boolean NOT NULL DEFAULT false,
    created_at  bigint NOT NULL,
    name        text NOT NULL,
    -- Judged by the bytes; of a file elsewhere, what its sender said.
    media_type  text,
    size        bigint,
    width       bigint,
    height      bigint,
    duration_ms bigint,
    -- As `image/jpeg 480x360`; NULL where there is none.
    thumbnail   text,
    poster      text,
    preview     text,
    -- Of a file elsewhere alone: its address, and whether it is an image, a video or a file.
    url         text,
    kind        text,
    CHECK (NOT is_used OR state = 'ready')
);

-- For the sweep.
CREATE INDEX attachment_unused ON doorbell.attachment (created_at, key) WHERE NOT is_used;

-- What each message carries, in its order. Messages of kind text have no row.
CREATE TABLE doorbell.message_attachment (
    conversation bigint NOT NULL,
    seq          bigint NOT NULL,
    ordinal      bigint NOT NULL,
    attachment   bigint NOT NULL REFERENCES doorbell.attachment (key),
    PRIMARY KEY (conversation, seq, ordinal)
);

-- Where an attachment may be seen.
CREATE INDEX message_attachment_by_attachment ON doorbell.message_attachment (attachment, conversation, seq);

-- How much each person has here: the sum of the sizes of their attachments that are ready and stored.
CREATE TABLE doorbell.attachment_usage (
    user_key bigint PRIMARY KEY,
    bytes    bigint NOT NULL CHECK (bytes >= 0)
) WITH (fillfactor = 80);

-- How many memberships have ended: links to files are signed over it, and die when it rises.
ALTER TABLE doorbell.conversation ADD COLUMN departures bigint NOT NULL DEFAULT 0;
