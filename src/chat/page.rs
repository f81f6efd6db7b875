//! Which part of a long list somebody asks for: `limit`, `before`, `after`, `cursor`, `wait`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    model::{ConversationKey, Error, Result, Seq, Timestamp, limits},
    store::{InboxCursor, Window},
};

/// A page's parameters as they came.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    pub limit: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub cursor: Option<String>,
    pub wait: Option<String>,
}

/// Part of something that is numbered by `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqPage {
    pub window: Window,
    /// Hold an empty answer for so long in the hope of news.
    pub wait: Option<Duration>,
}

/// Part of a list of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxPage {
    pub limit: usize,
    pub cursor: Option<InboxCursor>,
}

impl PageQuery {
    /// `default_limit` holds where none is given.
    pub fn seq_page(&self, default_limit: usize) -> Result<SeqPage> {
        let limit = self.limit(default_limit)?;
        let before = self.before.as_deref().map(|text| seq("before", text)).transpose()?;
        let after = self.after.as_deref().map(|text| seq("after", text)).transpose()?;
        let cursor = self.cursor.as_deref().map(seq_cursor).transpose()?;
        let window = match (before, after, cursor) {
            (None, None, None) => Window::Newest { limit },
            (Some(seq), None, None) => Window::Before { seq, limit },
            (None, Some(seq), None) => Window::After { seq, limit },
            (None, None, Some(Direction::Older(seq))) => Window::Before { seq, limit },
            (None, None, Some(Direction::Newer(seq))) => Window::After { seq, limit },
            _ => return Err(Error::invalid("Give only one of before, after and cursor.")),
        };
        let wait = self.wait.as_deref().map(wait_time).transpose()?;
        if wait.is_some() && after.is_none() {
            return Err(Error::invalid("wait needs after."));
        }
        Ok(SeqPage { window, wait })
    }

    pub fn inbox_page(&self, default_limit: usize) -> Result<InboxPage> {
        if self.before.is_some() || self.after.is_some() || self.wait.is_some() {
            return Err(Error::invalid("A list of conversations is paged by cursor alone."));
        }
        let cursor = self.cursor.as_deref().map(inbox_cursor).transpose()?;
        Ok(InboxPage {
            limit: self.limit(default_limit)?,
            cursor,
        })
    }

    fn limit(&self, default_limit: usize) -> Result<usize> {
        let Some(text) = &self.limit else {
            return Ok(default_limit);
        };
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let limit = match text.parse::<usize>() {
            Ok(limit) => limit,
            // More digits than a number can hold is more than the most.
            Err(_) if is_number => limits::HISTORY_PAGE_MAX,
            Err(_) => 0,
        };
        if !is_number || limit == 0 {
            return Err(Error::invalid("limit must be a whole number of at least 1."));
        }
        Ok(limit.min(limits::HISTORY_PAGE_MAX))
    }
}

fn seq(name: &str, text: &str) -> Result<Seq> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| Error::invalid(format!("{name} must be the seq of a message: a whole number.")))
}

fn wait_time(text: &str) -> Result<Duration> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| Error::invalid("wait must be a number of seconds."))?;
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(Error::invalid("wait must be a number of seconds."));
    }
    Ok(Duration::from_secs_f64(
        seconds.min(limits::LONG_POLL_TIME.as_secs_f64()),
    ))
}

enum Direction {
    Older(Seq),
    Newer(Seq),
}

/// The cursor that goes on from a page, in the direction of `window`; `None` where there is no more.
pub fn next_cursor(window: Window, first: Option<Seq>, last: Option<Seq>, has_more: bool) -> Option<String> {
    let text = match window {
        _ if !has_more => return None,
        Window::After { .. } => format!("n:{}", last?),
        Window::Newest { .. } | Window::Before { .. } => format!("o:{}", first?),
    };
    Some(URL_SAFE_NO_PAD.encode(text))
}

pub fn next_inbox_cursor(cursor: InboxCursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("i:{}:{}", cursor.activity_at.0, cursor.conversation.0))
}

fn bad_cursor() -> Error {
    Error::invalid("This cursor was not given out here.")
}

fn decode_cursor(text: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad_cursor())?;
    String::from_utf8(bytes).map_err(|_| bad_cursor())
}

fn seq_cursor(text: &str) -> Result<Direction> {
    let decoded = decode_cursor(text)?;
    let (direction, at) = decoded.split_once(':').ok_or_else(bad_cursor)?;
    let at = seq("cursor", at).map_err(|_| bad_cursor())?;
    match direction {
        "o" => Ok(Direction::Older(at)),
        "n" => Ok(Direction::Newer(at)),
        _ => Err(bad_cursor()),
    }
}

fn inbox_cursor(text: &str) -> Result<InboxCursor> {
    let decoded = decode_cursor(text)?;
    let mut parts = decoded.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("i"), Some(at), Some(key), None) => Ok(InboxCursor {
            activity_at: Timestamp(at.parse().map_err(|_| bad_cursor())?),
            conversation: ConversationKey(key.parse().map_err(|_| bad_cursor())?),
        }),
        _ => Err(bad_cursor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> PageQuery {
        let get = |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.to_string())
        };
        PageQuery {
            limit: get("limit"),
            before: get("before"),
            after: get("after"),
            cursor: get("cursor"),
            wait: get("wait"),
        }
    }

    #[test]
    fn a_limit_is_a_whole_number_from_one_to_a_thousand() {
        for (text, limit) in [
            ("1", 1),
            ("1000", 1000),
            ("1001", 1000),
            ("99999999999999999999999", 1000),
        ] {
            assert_eq!(query(&[("limit", text)]).inbox_page(50).unwrap().limit, limit);
        }
        for text in ["0", "-1", "1.5", "", "x", "1e3", " 1", "+1"] {
            assert!(query(&[("limit", text)]).inbox_page(50).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_directions_at_once_are_refused() {
        for pairs in [[("before", "1"), ("after", "1")], [("after", "1"), ("cursor", "bzox")]] {
            assert!(query(&pairs).seq_page(50).is_err());
        }
        assert!(query(&[("wait", "5")]).seq_page(50).is_err(), "wait without after");
        assert!(query(&[("wait", "5"), ("before", "3")]).seq_page(50).is_err());
    }

    #[test]
    fn a_cursor_goes_on_in_the_direction_of_its_request() {
        for window in [Window::Newest { limit: 2 }, Window::Before { seq: 9, limit: 2 }] {
            let cursor = next_cursor(window, Some(7), Some(8), true).unwrap();
            let page = query(&[("cursor", &cursor), ("limit", "2")]).seq_page(50).unwrap();
            assert_eq!(page.window, Window::Before { seq: 7, limit: 2 });
        }
        let cursor = next_cursor(Window::After { seq: 1, limit: 2 }, Some(2), Some(3), true).unwrap();
        let page = query(&[("cursor", &cursor), ("limit", "2")]).seq_page(50).unwrap();
        assert_eq!(page.window, Window::After { seq: 3, limit: 2 });
    }

    #[test]
    fn a_cursor_of_one_kind_does_not_open_another() {
        let inbox = next_inbox_cursor(InboxCursor {
            activity_at: Timestamp(5),
            conversation: ConversationKey(6),
        });
        assert!(query(&[("cursor", &inbox)]).seq_page(50).is_err());
        assert!(query(&[("cursor", &inbox)]).inbox_page(50).is_ok());
        for text in ["", "%", "AAAA", "bzo", "bzotMQ"] {
            assert!(query(&[("cursor", text)]).seq_page(50).is_err(), "{text:?}");
            assert!(query(&[("cursor", text)]).inbox_page(50).is_err(), "{text:?}");
        }
    }
}
