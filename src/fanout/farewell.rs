//! Why this side ends a connection, as its client is told before.

/// What a socket hears last (`disconnect:reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The token of the socket has come to its end.
    TokenEnded,
    /// All sessions of its user were ended.
    SessionsEnded,
    /// Its client came back by another connection.
    TakenOver,
    /// This node missed what others wrote, for too long to tell it.
    Behind,
    /// Too much waited for it.
    SlowConsumer,
    /// It sent a packet over its limit.
    PacketTooLarge,
    /// It sent a packet with too many attachments.
    TooManyAttachments,
    /// It sent something that is no packet.
    BadPacket,
    /// Whether it may stay cannot be found out.
    Unavailable,
    /// This server stops.
    ShuttingDown,
}

impl Farewell {
    pub const ALL: [Farewell; 10] = [
        Farewell::TokenEnded,
        Farewell::SessionsEnded,
        Farewell::TakenOver,
        Farewell::Behind,
        Farewell::SlowConsumer,
        Farewell::PacketTooLarge,
        Farewell::TooManyAttachments,
        Farewell::BadPacket,
        Farewell::Unavailable,
        Farewell::ShuttingDown,
    ];

    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Farewell::TokenEnded => "TOKEN_EXPIRED",
            Farewell::SessionsEnded => "SESSIONS_ENDED",
            Farewell::TakenOver => "TAKEN_OVER",
            Farewell::Behind => "BEHIND",
            Farewell::SlowConsumer => "SLOW_CONSUMER",
            Farewell::PacketTooLarge | Farewell::TooManyAttachments => "TOO_LARGE",
            Farewell::BadPacket => "INVALID",
            Farewell::Unavailable => "UNAVAILABLE",
            Farewell::ShuttingDown => "SHUTTING_DOWN",
        }
    }

    /// For people.
    pub fn message(self) -> &'static str {
        match self {
            Farewell::TokenEnded => "The token of this connection has expired; connect with a new one.",
            Farewell::SessionsEnded => "All sessions of this user were ended; sign in again.",
            Farewell::TakenOver => "This session goes on by another connection.",
            Farewell::Behind => "The server has missed too much to tell what is new; connect again and ask for it.",
            Farewell::SlowConsumer => "Too much waited for this connection; connect again and ask for what is missing.",
            Farewell::PacketTooLarge => {
                "A packet was larger than 1,000,000 bytes; send less at a time, and files by an upload."
            }
            Farewell::TooManyAttachments => "A packet had more than 10 binary attachments; send files by an upload.",
            Farewell::BadPacket => "What came on this connection is no packet of Socket.IO; connect again.",
            Farewell::Unavailable => "The server cannot find out now whether this connection may stay; connect again.",
            Farewell::ShuttingDown => "This server stops; connect again.",
        }
    }

    /// Is the client to stay away until its user does something? Else it comes back by itself.
    pub fn is_for_good(self) -> bool {
        self == Farewell::SessionsEnded
    }
}
