//! Several servers behind one address: which of them has the session that a request names?
//!
//! A session lives in the memory of the server that opened it. So that any other server can tell where a request belongs,
//! each puts a suffix of its own behind the random part of the ids that it gives: `sid` is then 22 characters of base64url
//! and the suffix. The suffix is no secret and guards nothing; the 128 random bits before it do.

use crate::{
    Config,
    engine::{ID_LENGTH, Query},
};
use http::Uri;
use std::fmt;

/// What a server puts behind each session id that it gives. Empty by default: such a server knows of no others.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct IdSuffix(Box<str>);

/// Longest suffix, in characters. It goes along with every request of long-polling.
const LONGEST: usize = 32;

/// A text that cannot be a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSuffix;

impl fmt::Display for InvalidSuffix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a suffix of session ids is 1 to {LONGEST} characters of A-Z a-z 0-9 _ -"
        )
    }
}

impl std::error::Error for InvalidSuffix {}

impl IdSuffix {
    /// 1 to 32 characters of `A-Za-z0-9_-`: what a query carries as it is. Each of the servers behind one address needs
    /// another one, and a server that starts anew does best to take a new one: its old sessions are gone.
    pub fn new(text: &str) -> Result<Self, InvalidSuffix> {
        if is_suffix(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSuffix)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdSuffix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

fn is_suffix(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whose a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// This server's: it gave the session's id, or nobody did, and then its refusal is as good as any other's.
    Here,
    /// It names no session: whichever server it has reached opens one.
    New,
    /// The server's with this suffix gave the id. What this server would answer is error 1, an unknown session.
    Elsewhere(&'a str),
}

impl Config {
    /// Whose request this is, by its `sid` alone.
    pub(crate) fn owner<'a>(&self, uri: &'a Uri) -> Owner<'a> {
        let Some(sid) = Query::parse(uri.query().unwrap_or_default()).sid else {
            return Owner::New;
        };
        match sid.split_at_checked(ID_LENGTH) {
            Some((_, suffix))
                if !self.id_suffix.as_str().is_empty() && suffix != self.id_suffix.as_str() && is_suffix(suffix) =>
            {
                Owner::Elsewhere(suffix)
            }
            _ => Owner::Here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn owner<'a>(suffix: &str, uri: &'a Uri) -> Owner<'a> {
        let id_suffix = if suffix.is_empty() {
            IdSuffix::default()
        } else {
            IdSuffix::new(suffix).unwrap()
        };
        Config {
            id_suffix,
            ..Config::default()
        }
        .owner(uri)
    }

    fn asking_for(sid: &str) -> Uri {
        format!("/socket.io/?EIO=4&transport=polling&sid={sid}&t=x")
            .parse()
            .unwrap()
    }

    #[test]
    fn a_request_belongs_to_the_server_whose_suffix_its_session_has() {
        assert_eq!(owner("a1", &asking_for(&format!("{RANDOM}a1"))), Owner::Here);
        assert_eq!(owner("a1", &asking_for(&format!("{RANDOM}a"))), Owner::Elsewhere("a"));
        assert_eq!(
            owner("a1", &asking_for(&format!("{RANDOM}a12"))),
            Owner::Elsewhere("a12")
        );
        assert_eq!(owner("a1", &asking_for(&format!("{RANDOM}A1"))), Owner::Elsewhere("A1"));
        assert_eq!(
            owner("a1", &"/socket.io/?EIO=4&transport=polling".parse().unwrap()),
            Owner::New
        );
        assert_eq!(owner("a1", &"/socket.io/".parse().unwrap()), Owner::New);
    }

    #[test]
    fn an_id_that_no_server_gives_is_refused_where_it_arrives() {
        let longest = "s".repeat(LONGEST);
        assert_eq!(
            owner("a", &asking_for(&format!("{RANDOM}{longest}"))),
            Owner::Elsewhere(&longest)
        );
        for sid in ["", "x", RANDOM, &RANDOM[1..], &format!("{RANDOM}{longest}s")] {
            assert_eq!(owner("a", &asking_for(sid)), Owner::Here, "{sid:?}");
        }
        for suffix in ["%2e", "a.b", "a:1", "a/b", "a+b", "~"] {
            assert_eq!(
                owner("a", &asking_for(&format!("{RANDOM}{suffix}"))),
                Owner::Here,
                "{suffix:?}"
            );
        }
    }

    #[test]
    fn a_server_without_a_suffix_knows_of_no_others() {
        for suffix in ["", "a", "bb"] {
            assert_eq!(
                owner("", &asking_for(&format!("{RANDOM}{suffix}"))),
                Owner::Here,
                "{suffix:?}"
            );
        }
    }

    #[test]
    fn a_suffix_is_what_a_query_carries_as_it_is() {
        for text in ["a", "Zz9_-", &"s".repeat(LONGEST)] {
            assert_eq!(IdSuffix::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a&b", "a=b", "a%", "é", ".", &"s".repeat(LONGEST + 1)] {
            assert_eq!(IdSuffix::new(text), Err(InvalidSuffix), "{text:?}");
        }
    }
}
