//! Which tables are copied, column by column: the one place where the two schemas are set beside each other.

/// What a column holds, in either engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Integer,
    /// 0 and 1 in SQLite.
    Boolean,
    Text,
    Bytes,
}

/// A column of the target, and the expression over a row of the source that it comes from.
#[derive(Debug)]
pub(in crate::store) struct Column {
    pub(in crate::store) sqlite: &'static str,
    pub(in crate::store) postgres: &'static str,
    pub(in crate::store) kind: Kind,
}

#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) sqlite: &'static str,
    /// In the schema `doorbell`.
    pub(in crate::store) postgres: &'static str,
    pub(in crate::store) columns: &'static [Column],
    /// So many of the first columns are the key, in which order rows are read.
    pub(in crate::store) key: usize,
    /// The key as the source has it, where that is one column for several of ours: its name, and the rows behind a key
    /// that is bound in parts.
    pub(in crate::store) packed: Option<Packed>,
    /// A condition on the rows, in words of both engines.
    pub(in crate::store) only: &'static str,
    /// Its key is given out by PostgreSQL for later rows.
    pub(in crate::store) is_numbered: bool,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Packed {
    pub(in crate::store) column: &'static str,
    pub(in crate::store) behind: &'static str,
}

const fn same(name: &'static str, kind: Kind) -> Column {
    named(name, name, kind)
}

const fn named(sqlite: &'static str, postgres: &'static str, kind: Kind) -> Column {
    Column { sqlite, postgres, kind }
}

const fn plain(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table {
        sqlite: name,
        postgres: name,
        columns,
        key,
        packed: None,
        only: "true",
        is_numbered: false,
    }
}

use Kind::{Boolean, Bytes, Integer, Text};

/// See `src/store/sqlite/row_key.rs`.
const BY_ROW_KEY: Option<Packed> = Some(Packed {
    column: "key",
    behind: "key > (?1 << 32 | ?2)",
});

/// In an order in which every reference leads to what is there already.
pub(in crate::store) const TABLES: &[Table] = &[
    Table {
        only: "name <> 'probe'",
        ..plain("setting", 1, &[same("name", Text), same("value", Text)])
    },
    Table {
        postgres: "app_user",
        is_numbered: true,
        ..plain(
            "user",
            1,
            &[
                same("key", Integer),
                same("id", Text),
                same("name", Text),
                same("email", Text),
                same("image", Text),
                same("role", Text),
                same("last_seen_at", Integer),
                same("host_put_at", Integer),
                same("claims_issued_at", Integer),
                same("sessions_ended_at", Integer),
            ],
        )
    },
    Table {
        is_numbered: true,
        ..plain(
            "listing",
            1,
            &[
                same("key", Integer),
                same("id", Text),
                same("title", Text),
                same("image", Text),
                same("url", Text),
                same("price", Text),
                same("owner", Integer),
            ],
        )
    },
    Table {
        is_numbered: true,
        ..plain(
            "conversation",
            1,
            &[
                same("key", Integer),
                same("last_seq", Integer),
                same("last_message_at", Integer),
                same("latest_at", Integer),
                same("created_at", Integer),
                same("updated_at", Integer),
                same("is_active", Boolean),
                same("arrivals", Integer),
                same("lower_user", Integer),
                same("higher_user", Integer),
                same("asker", Integer),
                same("listing", Integer),
                same("id", Text),
                same("title", Text),
                same("departures", Integer),
            ],
        )
    },
    plain(
        "participant",
        2,
        &[
            named("user", "user_key", Integer),
            same("conversation", Integer),
            same("from_seq", Integer),
            same("to_seq", Integer),
            same("read_seq", Integer),
            same("sent", Integer),
            same("sent_at_read", Integer),
            same("read_at", Integer),
            same("kept_seq", Integer),
            same("kept_at", Integer),
            same("kept_title", Text),
            same("returns", Integer),
            same("is_admin", Boolean),
            same("joined_at", Integer),
            same("left_at", Integer),
            same("standing", Integer),
        ],
    ),
    plain(
        "earlier_span",
        3,
        &[
            named("user", "user_key", Integer),
            same("conversation", Integer),
            same("from_seq", Integer),
            same("to_seq", Integer),
        ],
    ),
    Table {
        packed: BY_ROW_KEY,
        ..plain(
            "message",
            2,
            &[
                named("key >> 32", "conversation", Integer),
                named("key & 4294967295", "seq", Integer),
                same("sender", Integer),
                same("created_at", Integer),
                same("reply_to", Integer),
                same("kind", Text),
                same("client_message_id", Text),
                same("content", Text),
            ],
        )
    },
    plain(
        "client_message",
        3,
        &[
            same("client_message_id", Text),
            same("sender", Integer),
            same("conversation", Integer),
            same("seq", Integer),
            same("digest", Bytes),
        ],
    ),
    Table {
        is_numbered: true,
        ..plain(
            "attachment",
            1,
            &[
                same("key", Integer),
                same("id", Text),
                same("owner", Integer),
                same("state", Text),
                same("is_used", Boolean),
                same("created_at", Integer),
                same("name", Text),
                same("media_type", Text),
                same("size", Integer),
                same("width", Integer),
                same("height", Integer),
                same("duration_ms", Integer),
                same("thumbnail", Text),
                same("poster", Text),
                same("preview", Text),
                same("url", Text),
                same("kind", Text),
            ],
        )
    },
    plain(
        "message_attachment",
        3,
        &[
            same("conversation", Integer),
            same("seq", Integer),
            same("ordinal", Integer),
            same("attachment", Integer),
        ],
    ),
    plain(
        "attachment_usage",
        1,
        &[named("user", "user_key", Integer), same("bytes", Integer)],
    ),
    plain(
        "passed",
        3,
        &[
            same("conversation", Integer),
            same("turn", Integer),
            same("to_seq", Integer),
            same("from_seq", Integer),
            named("user", "user_key", Integer),
            same("at", Integer),
        ],
    ),
    Table {
        is_numbered: true,
        ..plain(
            "post",
            1,
            &[
                same("key", Integer),
                same("last_seq", Integer),
                same("latest_at", Integer),
                same("id", Text),
            ],
        )
    },
    Table {
        packed: BY_ROW_KEY,
        ..plain(
            "comment",
            2,
            &[
                named("key >> 32", "post", Integer),
                named("key & 4294967295", "seq", Integer),
                same("author", Integer),
                same("created_at", Integer),
                same("text", Text),
            ],
        )
    },
];

/// Tables and columns of either engine that stay behind, each with its reason. Only a test reads it: whoever adds a table must say
/// what becomes of it.
#[cfg(test)]
pub(in crate::store) const NOT_COPIED: &[(&str, &str)] = &[
    ("probe", "one row that each engine writes to see whether it can"),
    (
        "schema_step",
        "the schema's own number, which each engine keeps for itself",
    ),
    ("journal", "short-lived positions of nodes that run; none does"),
    ("writer_slot", "held by a node that runs; none does"),
    ("node", "a node that runs; none does"),
    ("session", "connections of a node that runs; clients connect anew"),
    ("session_room", "as session"),
    ("conversation.news_slot", "a place in the journal; NULL is in none"),
    ("conversation.news_number", "as news_slot"),
    ("sqlite_sequence", "SQLite's own, for the keys of nodes and attachments"),
];
