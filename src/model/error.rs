//! What goes wrong, in the words that a client is told.

use std::{borrow::Cow, time::Duration};

use serde::Serialize;

/// The code that a program decides by. The contracts name each, with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// 400: malformed, missing, wrong type, empty, out of range.
    Invalid,
    /// 401: no valid token, session or key.
    Unauthenticated,
    /// 403: somebody else's identity, a role that does not allow it, a conversation that was left or closed.
    Forbidden,
    /// 404: does not exist, or is not yours to see: the two are never told apart.
    NotFound,
    /// 409: the same `clientMessageId` with other content.
    Conflict,
    /// 423: somebody else is at it; of resumable uploads alone, whose protocol's clients know this status.
    Locked,
    /// 413: over a limit of size.
    TooLarge,
    /// 415: a file type that is not allowed.
    UnsupportedMedia,
    /// 429: too fast; `retry_after` says when to come again.
    RateLimited,
    /// 503: cannot be stored now; nothing was.
    Unavailable,
}

impl Code {
    pub const ALL: [Code; 10] = [
        Code::Invalid,
        Code::Unauthenticated,
        Code::Forbidden,
        Code::NotFound,
        Code::Conflict,
        Code::Locked,
        Code::TooLarge,
        Code::UnsupportedMedia,
        Code::RateLimited,
        Code::Unavailable,
    ];

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Code::Invalid => 400,
            Code::Unauthenticated => 401,
            Code::Forbidden => 403,
            Code::NotFound => 404,
            Code::Conflict => 409,
            Code::Locked => 423,
            Code::TooLarge => 413,
            Code::UnsupportedMedia => 415,
            Code::RateLimited => 429,
            Code::Unavailable => 503,
        }
    }

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Invalid => "INVALID",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::Forbidden => "FORBIDDEN",
            Code::NotFound => "NOT_FOUND",
            Code::Conflict => "CONFLICT",
            Code::Locked => "LOCKED",
            Code::TooLarge => "TOO_LARGE",
            Code::UnsupportedMedia => "UNSUPPORTED_MEDIA",
            Code::RateLimited => "RATE_LIMITED",
            Code::Unavailable => "UNAVAILABLE",
        }
    }
}

/// A refusal: a code for the program, a sentence for the person who reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    pub code: Code,
    pub message: Cow<'static, str>,
    /// When trying again makes sense (`RATE_LIMITED`, `UNAVAILABLE`).
    pub retry_after: Option<Duration>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Invalid, message)
    }

    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unauthenticated, message)
    }

    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// One sentence for what does not exist and what is not the caller's to see.
    pub fn not_found(what: &'static str) -> Self {
        let message = match what {
            "conversation" => "There is no such conversation.",
            "message" => "There is no such message.",
            "user" => "There is no such user.",
            "listing" => "There is no such listing.",
            "attachment" => "There is no such attachment.",
            _ => "There is nothing here.",
        };
        Self::new(Code::NotFound, message)
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, message)
    }

    pub fn locked(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Locked, message)
    }

    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::TooLarge, message)
    }

    pub fn unsupported_media(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UnsupportedMedia, message)
    }

    pub fn rate_limited(what: &str, retry_after: Duration) -> Self {
        let message = format!(
            "Too many {what}; try again in {:.1} s.",
            retry_after.as_secs_f64().max(0.1)
        );
        Error {
            code: Code::RateLimited,
            message: message.into(),
            retry_after: Some(retry_after),
        }
    }

    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code: Code::Unavailable,
            message: message.into(),
            retry_after: Some(Duration::from_secs(1)),
        }
    }
}
