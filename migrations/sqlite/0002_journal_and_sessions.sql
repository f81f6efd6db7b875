-- Every change's note, a row for the changes of one transaction, in the order of the commits. `notes` is told apart by
-- `store/rules/journal.rs`: ids alone, never anybody's words but a post's id.
CREATE TABLE journal (
    -- Of the last of them; the first has `number - count + 1`. Pruning leaves the newest row: the next number follows from
    -- it, and no number is given twice. A counter beside it would cost every transaction a second write.
    number INTEGER PRIMARY KEY,
    count  INTEGER NOT NULL CHECK (count BETWEEN 1 AND number),
    notes  BLOB NOT NULL
) STRICT;

CREATE TABLE node (
    -- Never given again: sessions tell one start of a server from another by it.
    key      INTEGER PRIMARY KEY AUTOINCREMENT,
    address  TEXT,
    -- The last sign of life, how many there were, and the cut that came with the last one.
    seen_at  INTEGER NOT NULL,
    beats    INTEGER NOT NULL DEFAULT 0,
    received TEXT NOT NULL
) STRICT;

CREATE TABLE session (
    -- 16 bytes.
    id         BLOB PRIMARY KEY CHECK (length(id) = 16),
    user       INTEGER NOT NULL,
    contract   TEXT,
    user_room  INTEGER NOT NULL DEFAULT 0 CHECK (user_room IN (0, 1)),
    -- Who has it, or had it last.
    node       INTEGER NOT NULL,
    connection INTEGER NOT NULL,
    -- `node.beats` when that one got it: what the node said before is not about this session.
    held_at    INTEGER NOT NULL DEFAULT 0,
    -- NULL as long as no end was noted.
    ended_at   INTEGER,
    received   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For the sweep.
CREATE INDEX session_by_node ON session (node, ended_at);

CREATE TABLE session_room (
    session      BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    conversation INTEGER NOT NULL,
    -- The last message of the history that came with the join.
    history_end  INTEGER NOT NULL,
    PRIMARY KEY (session, conversation)
) STRICT, WITHOUT ROWID;
