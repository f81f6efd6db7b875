-- What several nodes on one database need: the journal, in which each learns what the others have stored, and the
-- sessions of live sockets, which go on at whatever node a client comes back to.

-- The places of those who write. Who stores news locks the row of its slot first and counts on from `number`: so the
-- numbers of a slot have the order of the commits, and no gaps, whoever writes there. The lease (`holder`, `used_at`)
-- only keeps writers from waiting for each other.
CREATE TABLE doorbell.writer_slot (
    slot    bigint PRIMARY KEY,
    -- Of the last fact that was recorded here.
    number  bigint NOT NULL DEFAULT 0,
    holder  bigint,
    used_at bigint
);

INSERT INTO doorbell.writer_slot (slot) SELECT generate_series(0, 15);

-- A row for each transaction that had news: keys alone, nobody's words. `number` is that of its last fact, `count` how
-- many there are. They lie in the row as they come: of a few kilobytes that are read once, compressing saves nothing.
CREATE TABLE doorbell.journal (
    slot   bigint NOT NULL,
    number bigint NOT NULL,
    count  bigint NOT NULL CHECK (count > 0),
    notes  bytea NOT NULL,
    PRIMARY KEY (slot, number)
) WITH (toast_tuple_target = 8160);
ALTER TABLE doorbell.journal ALTER COLUMN notes SET STORAGE EXTERNAL;

-- Where the last fact about the conversation itself is recorded, on which its next one builds; NULL: in no journal.
ALTER TABLE doorbell.conversation ADD COLUMN news_slot bigint, ADD COLUMN news_number bigint;

-- A row for each start of a node. Times here and in `session` are the database's own, whatever the nodes' clocks say.
CREATE TABLE doorbell.node (
    key      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The last sign of life.
    beat_at  bigint NOT NULL,
    address  text,
    -- What every client whose session it has is sure to have got: a cut, as text.
    received text NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE doorbell.session (
    id         bytea PRIMARY KEY,
    user_key   bigint NOT NULL,
    -- The connection that has it, unique on its node.
    node       bigint NOT NULL,
    connection bigint NOT NULL,
    -- When that connection ended; NULL while it lasts, and where nobody lived to note it.
    ended_at   bigint,
    user_room  boolean NOT NULL,
    contract   text,
    -- What is sure to have reached the client: a cut, as text.
    received   text NOT NULL
) WITH (fillfactor = 80);

-- The conversations that it has joined, and the end of the history that it was given.
CREATE TABLE doorbell.session_room (
    session      bytea NOT NULL,
    conversation bigint NOT NULL,
    end_seq      bigint NOT NULL,
    PRIMARY KEY (session, conversation)
);
