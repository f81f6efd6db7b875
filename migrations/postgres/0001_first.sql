-- Integer keys inside; texts that the outside knows (`id`) on users, listings and conversations alone.
-- Times are milliseconds since the Unix epoch. Tables that are written with every message reference nobody: the
-- sender's participation, found first, stands for both references, at no cost. Texts are compared byte by byte
-- (COLLATE "C"): it is faster, and no upgrade of the system's locales breaks an index.
-- `user` is a word of SQL: the table is `app_user`, the columns are `user_key`.

CREATE TABLE doorbell.app_user (
    key              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               text COLLATE "C" NOT NULL UNIQUE,
    name             text,
    email            text,
    image            text,
    role             text,
    last_seen_at     bigint,
    host_put_at      bigint,
    claims_issued_at bigint
);

CREATE TABLE doorbell.listing (
    key   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id    text COLLATE "C" NOT NULL UNIQUE,
    title text,
    image text,
    url   text,
    price text,
    owner bigint REFERENCES doorbell.app_user (key)
);

-- A fifth of each page is left free here and in `participant`: a new version of a row stays on its page, and no index
-- is touched.
CREATE TABLE doorbell.conversation (
    key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    last_seq        bigint NOT NULL DEFAULT 0,
    -- When the message at `last_seq` came; NULL before the first.
    last_message_at bigint,
    -- The latest time given out in this conversation: none is ever earlier, whatever the clock does.
    latest_at       bigint NOT NULL,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    is_active       boolean NOT NULL DEFAULT true,
    -- How many times somebody came in: the next `standing`.
    arrivals        bigint NOT NULL DEFAULT 0,
    -- The two of a one-to-one conversation, by key; NULL in a group.
    lower_user      bigint REFERENCES doorbell.app_user (key),
    higher_user     bigint REFERENCES doorbell.app_user (key),
    asker           bigint,
    -- 0 is none: NULLs would be distinct in the unique index below.
    listing         bigint NOT NULL DEFAULT 0,
    id              text COLLATE "C" NOT NULL UNIQUE,
    title           text,
    CHECK (
        (lower_user IS NULL AND higher_user IS NULL AND asker IS NULL AND listing = 0)
        OR (lower_user < higher_user AND asker IN (lower_user, higher_user))
    )
) WITH (fillfactor = 80);

-- Of two people and a listing, or none, there is one conversation.
CREATE UNIQUE INDEX conversation_of_pair ON doorbell.conversation (lower_user, higher_user, listing)
    WHERE lower_user IS NOT NULL;

-- Keyed by user: every read for somebody starts here.
CREATE TABLE doorbell.participant (
    user_key       bigint NOT NULL REFERENCES doorbell.app_user (key),
    conversation   bigint NOT NULL REFERENCES doorbell.conversation (key),
    -- Messages above `from_seq` are seen, up to `to_seq`, which is NULL while the membership lasts.
    from_seq       bigint NOT NULL,
    to_seq         bigint,
    -- The mark. Messages of others above it are unread: (last_seq - read_seq) - (sent - sent_at_read).
    read_seq       bigint NOT NULL,
    sent           bigint NOT NULL DEFAULT 0,
    sent_at_read   bigint NOT NULL DEFAULT 0,
    -- When the mark was last moved by its owner.
    read_at        bigint,
    -- The newest message seen when the last membership ended, and when it came; 0 and NULL when there was none.
    kept_seq       bigint NOT NULL DEFAULT 0,
    kept_at        bigint,
    -- The group's title then.
    kept_title     text,
    -- How many memberships ended before this one: their parts of the history are in `earlier_span`.
    returns        bigint NOT NULL DEFAULT 0,
    is_admin       boolean NOT NULL DEFAULT false,
    joined_at      bigint NOT NULL,
    left_at        bigint,
    -- Rises with each arrival: lowest is longest-standing.
    standing       bigint NOT NULL,
    PRIMARY KEY (user_key, conversation),
    CHECK ((to_seq IS NULL) = (left_at IS NULL))
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX participant_by_standing ON doorbell.participant (conversation, standing);

-- What somebody who came back saw before: messages above `from_seq`, up to `to_seq`.
CREATE TABLE doorbell.earlier_span (
    user_key     bigint NOT NULL,
    conversation bigint NOT NULL,
    from_seq     bigint NOT NULL,
    to_seq       bigint NOT NULL,
    PRIMARY KEY (user_key, conversation, from_seq),
    CHECK (from_seq < to_seq)
);

CREATE TABLE doorbell.message (
    conversation      bigint NOT NULL,
    seq               bigint NOT NULL,
    sender            bigint NOT NULL,
    created_at        bigint NOT NULL,
    reply_to          bigint,
    kind              text NOT NULL,
    client_message_id text,
    content           text NOT NULL,
    PRIMARY KEY (conversation, seq)
);

-- What each sender called their messages, kept for ever. The client's id comes first: those that rise with time
-- (ULID, UUIDv7) all land on one page.
CREATE TABLE doorbell.client_message (
    client_message_id text COLLATE "C" NOT NULL,
    sender            bigint NOT NULL,
    conversation      bigint NOT NULL,
    seq               bigint NOT NULL,
    digest            bytea NOT NULL,
    PRIMARY KEY (client_message_id, sender, conversation)
);

-- Who first passed which messages with a mark (`turn` 1), and who passed them next (`turn` 2): messages above
-- `from_seq`, up to `to_seq`. One's own message is not read by oneself; two turns are enough to know the first other.
-- Rows are only ever added; those of one conversation and turn never overlap.
CREATE TABLE doorbell.passed (
    conversation bigint NOT NULL,
    turn         bigint NOT NULL CHECK (turn IN (1, 2)),
    to_seq       bigint NOT NULL,
    from_seq     bigint NOT NULL,
    user_key     bigint NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (conversation, turn, to_seq),
    CHECK (from_seq < to_seq)
);

CREATE TABLE doorbell.post (
    key       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    last_seq  bigint NOT NULL DEFAULT 0,
    latest_at bigint NOT NULL,
    id        text COLLATE "C" NOT NULL UNIQUE
) WITH (fillfactor = 80);

CREATE TABLE doorbell.comment (
    post       bigint NOT NULL,
    seq        bigint NOT NULL,
    author     bigint NOT NULL REFERENCES doorbell.app_user (key),
    created_at bigint NOT NULL,
    text       text NOT NULL,
    PRIMARY KEY (post, seq)
);

CREATE TABLE doorbell.setting (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- One row, written to see whether the database can be.
CREATE TABLE doorbell.probe (
    only_one   bigint PRIMARY KEY CHECK (only_one = 1),
    written_at bigint NOT NULL
);
