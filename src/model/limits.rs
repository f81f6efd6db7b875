//! Every limit on what arrives or waits, each with its reason.

/// Longest text of a message or comment, in Unicode characters (contracts, "Content").
pub const CONTENT_MAX_CHARS: usize = 8_000;
/// Longest title of a group, in characters: a line in a list.
pub const TITLE_MAX_CHARS: usize = 200;
/// Longest `clientMessageId`, in characters: room for a UUID and a prefix.
pub const CLIENT_MESSAGE_ID_MAX_CHARS: usize = 64;
/// Most entries of one page, and what a front end gets that asks for no limit: the seeds' pages expect all.
pub const PAGE_MAX: usize = 1_000;
/// Messages in the answer to a join.
pub const JOIN_PAGE: usize = 50;
/// Messages in the answer to a join with `afterSeq`.
pub const JOIN_AFTER_PAGE: usize = 200;
/// Bytes of messages in the answer to a join.
pub const JOIN_PAGE_BYTES: usize = 256 * 1024;
/// Longest time a request may be held for news, in seconds: below the time-outs of common proxies.
pub const WAIT_MAX_SECONDS: u64 = 25;
/// Typing stops by itself after so long without a sign of it, in milliseconds.
pub const TYPING_EXPIRES_MS: i64 = 6_000;
/// Typing, and updates of conversations, are pushed at most this often, in milliseconds.
pub const COALESCE_MS: i64 = 1_000;
/// A user is offline when the last socket has been gone for so long, in milliseconds: a reload is no absence.
pub const OFFLINE_AFTER_SOCKET_MS: i64 = 5_000;
/// A REST request counts as online for so long, in milliseconds: five polls.
pub const ONLINE_AFTER_REQUEST_MS: i64 = 15_000;
/// Longest id of a post that is commented, in characters.
pub const POST_ID_MAX_CHARS: usize = 128;
