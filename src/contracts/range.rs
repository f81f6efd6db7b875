//! Which bytes of a file a request asks for (RFC 9110, section 14).

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header};

/// What is to be sent of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// 206: never empty, and inside the file.
    Part(Range<u64>),
    /// 416: nothing of what was asked for is there.
    Nothing,
}

/// Judges `Range` and `If-Range`. Several ranges at once are answered with the whole file, which the standard allows and
/// players do not ask for; so is what cannot be read.
pub fn wanted(headers: &HeaderMap, size: u64, tag: &HeaderValue) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Wanted::Whole;
    };
    // A date never matches: files here are told apart by their tags alone.
    if headers.get(header::IF_RANGE).is_some_and(|condition| condition != tag) {
        return Wanted::Whole;
    }
    let Ok(range) = range.to_str() else {
        return Wanted::Whole;
    };
    let Some((unit, set)) = range.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else {
        return Wanted::Whole;
    };
    match (position(first), position(last)) {
        (Some(Position::At(first)), Some(Position::At(last))) if last < first => Wanted::Whole,
        (Some(Position::At(first)), Some(last)) => {
            let end = match last {
                Position::At(last) => last.saturating_add(1).min(size),
                Position::Open => size,
            };
            if first < end {
                Wanted::Part(first..end)
            } else {
                Wanted::Nothing
            }
        }
        // The last so many bytes.
        (Some(Position::Open), Some(Position::At(length))) => match size.min(length) {
            0 => Wanted::Nothing,
            length => Wanted::Part(size - length..size),
        },
        _ => Wanted::Whole,
    }
}

enum Position {
    At(u64),
    Open,
}

/// `None` for what is no number. One that is too large for any file is the largest.
fn position(text: &str) -> Option<Position> {
    if text.is_empty() {
        return Some(Position::Open);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Position::At(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, size: u64) -> Wanted {
        let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        wanted(&headers, size, &HeaderValue::from_static("\"tag\""))
    }

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-", Wanted::Part(0..100)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=10-999", Wanted::Part(10..100)),
            ("bytes=99-99999999999999999999999999", Wanted::Part(99..100)),
            ("Bytes = 1-2", Wanted::Part(1..3)),
            ("bytes=-1", Wanted::Part(99..100)),
            ("bytes=-500", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=100-200", Wanted::Nothing),
            ("bytes=99999999999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1-2-3", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("0-1", Wanted::Whole),
        ] {
            assert_eq!(asked(range, 100), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Wanted::Nothing, "an empty file has no byte");
    }

    #[test]
    fn another_version_of_the_file_is_sent_whole() {
        let tag = HeaderValue::from_static("\"tag\"");
        for (condition, is_part) in [
            ("\"tag\"", true),
            ("\"other\"", false),
            ("W/\"tag\"", false),
            ("Sat, 29 Oct 1994 19:43:31 GMT", false),
        ] {
            let headers = HeaderMap::from_iter([
                (header::RANGE, HeaderValue::from_static("bytes=0-9")),
                (header::IF_RANGE, HeaderValue::from_static(condition)),
            ]);
            assert_eq!(
                wanted(&headers, 100, &tag) == Wanted::Part(0..10),
                is_part,
                "{condition}"
            );
        }
    }
}
