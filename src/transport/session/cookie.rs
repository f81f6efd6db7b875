//! Session cookies of a request: under which names, and in how many pieces.
//!
//! NextAuth and Auth.js cut a value that is too long for one cookie into `name.0`, `name.1`, and so on, and put it together
//! from every cookie whose name begins with `name`. Here only `name` and `name.<number>` count: a stale cookie or one of a
//! similar name spoils nothing.

use http::{HeaderMap, header};

use crate::model::limits;

/// The names that the packages give their session cookie, in the order in which they are tried. Those of HTTPS come first:
/// a page without TLS cannot set them, so nobody can put a cookie of their own before a good one.
pub const DEFAULT_NAMES: [&str; 4] = [
    "__Secure-authjs.session-token",
    "__Secure-next-auth.session-token",
    "authjs.session-token",
    "next-auth.session-token",
];

/// Names and values of all cookies of a request (RFC 6265, section 5.4), in the order in which the browser sent them. A
/// cookie that is not UTF-8 is some other program's and is passed over alone.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.trim_end(), value.trim_start()))
}

/// One value that may be a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The cookie's name, without a piece's number.
    pub name: &'a str,
    /// One piece, or several in their order, as they came.
    pieces: Vec<&'a str>,
    is_cut: bool,
}

impl<'a> Candidate<'a> {
    /// A value that stands alone.
    pub fn whole(name: &'a str, value: &'a str) -> Self {
        Candidate {
            name,
            pieces: vec![value],
            is_cut: false,
        }
    }

    /// The pieces put together; quotation marks around one and `%XX` in it, which some programs write, taken away.
    pub fn value(&self) -> String {
        let joined: String = self.pieces.iter().map(|piece| unquoted(piece)).collect();
        decoded(&joined).unwrap_or(joined)
    }

    /// As a browser would send it to the site: a value of the `Cookie` header.
    pub fn as_sent(&self) -> String {
        if !self.is_cut {
            return format!("{}={}", self.name, self.pieces.concat());
        }
        let numbered = self.pieces.iter().enumerate();
        let pieces: Vec<String> = numbered
            .map(|(number, piece)| format!("{}.{number}={piece}", self.name))
            .collect();
        pieces.join("; ")
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Why the pieces of a cookie make no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutFault {
    Gap,
    TooMany,
    TooLong,
}

impl CutFault {
    pub fn reason(self) -> &'static str {
        match self {
            CutFault::Gap => "a piece of its cookie is missing",
            CutFault::TooMany => "its cookie has too many pieces",
            CutFault::TooLong => "its cookie is too long",
        }
    }
}

/// What a request holds under one name, in the order in which it is tried: the whole values, then the one in pieces. Both
/// may be there, since a session that grows or shrinks leaves the other form behind, and a name may stand there more than
/// once, when a site has set it for two domains or paths.
pub fn candidates<'a>(
    name: &'a str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Result<Candidate<'a>, CutFault>> {
    let mut found = Vec::new();
    let mut pieces: Vec<(usize, &str)> = Vec::new();
    for (sent_name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
        let Some(rest) = sent_name.strip_prefix(name) else {
            continue;
        };
        if rest.is_empty() {
            if found.len() < limits::SESSION_TWINS {
                found.push(match value.len() {
                    0..=limits::SESSION_BYTES => Ok(Candidate::whole(name, value)),
                    _ => Err(CutFault::TooLong),
                });
            }
        } else if let Some(number) = rest.strip_prefix('.').and_then(piece_number)
            && !pieces.iter().any(|(known, _)| *known == number)
        {
            pieces.push((number, value));
        }
    }
    if !pieces.is_empty() {
        found.push(joined(name, pieces));
    }
    found
}

/// `0`, `1`, ... as the packages write them: `00` and `+1` are none.
fn piece_number(text: &str) -> Option<usize> {
    let is_plain = text == "0" || !text.starts_with('0');
    (is_plain && (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn joined<'a>(name: &'a str, mut pieces: Vec<(usize, &'a str)>) -> Result<Candidate<'a>, CutFault> {
    pieces.sort_unstable_by_key(|(number, _)| *number);
    if pieces.len() > limits::SESSION_PIECES {
        return Err(CutFault::TooMany);
    }
    if pieces.iter().enumerate().any(|(place, (number, _))| place != *number) {
        return Err(CutFault::Gap);
    }
    if pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>() > limits::SESSION_BYTES {
        return Err(CutFault::TooLong);
    }
    Ok(Candidate {
        name,
        pieces: pieces.into_iter().map(|(_, piece)| piece).collect(),
        is_cut: true,
    })
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

/// `%XX` decoded; `None` for a sequence that is none, and for what is not UTF-8 then.
pub fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let is_well_formed = bytes.iter().enumerate().all(|(at, byte)| {
        let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_hexdigit);
        *byte != b'%' || (is_digit(at + 1) && is_digit(at + 2))
    });
    is_well_formed
        .then(|| percent_encoding::percent_decode_str(text).decode_utf8().ok())
        .flatten()
        .map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::is_of_another_kind;
    use http::HeaderValue;
    use proptest::prelude::*;

    const NAME: &str = "authjs.session-token";

    fn values(cookies: &str) -> Vec<Result<String, CutFault>> {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_bytes(cookies.as_bytes()).unwrap());
        candidates(NAME, pairs(&headers))
            .into_iter()
            .map(|found| found.map(|candidate| candidate.value()))
            .collect()
    }

    #[test]
    fn a_session_in_pieces_is_put_together_by_their_numbers() {
        for (cookies, expected) in [
            ("authjs.session-token=a", vec![Ok("a")]),
            ("x=1; authjs.session-token=a ;y=2", vec![Ok("a")]),
            ("authjs.session-token=\"a\"", vec![Ok("a")]),
            ("authjs.session-token=a%2Bb", vec![Ok("a+b")]),
            ("authjs.session-token=a%2", vec![Ok("a%2")]),
            ("authjs.session-token=a=b", vec![Ok("a=b")]),
            ("authjs.session-token.1=b; authjs.session-token.0=a", vec![Ok("ab")]),
            (
                "authjs.session-token.10=k; authjs.session-token.2=c; authjs.session-token.1=b; authjs.session-token.0=a; \
                 authjs.session-token.3=d; authjs.session-token.4=e; authjs.session-token.5=f; authjs.session-token.6=g; \
                 authjs.session-token.7=h; authjs.session-token.8=i; authjs.session-token.9=j",
                vec![Ok("abcdefghijk")],
            ),
            // A session that has grown or shrunk, and one that was set for two paths.
            (
                "authjs.session-token=w; authjs.session-token.0=a",
                vec![Ok("w"), Ok("a")],
            ),
            ("authjs.session-token=w; authjs.session-token=v", vec![Ok("w"), Ok("v")]),
            ("authjs.session-token.0=a; authjs.session-token.0=z", vec![Ok("a")]),
            // What merely begins like it spoils nothing.
            ("authjs.session-token.0=a; authjs.session-token.x=b", vec![Ok("a")]),
            ("authjs.session-token.0=a; authjs.session-token.01=b", vec![Ok("a")]),
            ("authjs.session-token.0=a; authjs.session-token-2=b", vec![Ok("a")]),
            ("authjs.session-token2=b; authjs.session-token.=c", vec![]),
            ("authjs.session-token.1=b", vec![Err(CutFault::Gap)]),
            (
                "authjs.session-token.0=a; authjs.session-token.2=c; authjs.session-token.1=",
                vec![Err(CutFault::Gap)],
            ),
            ("authjs.session-token=", vec![]),
            ("AUTHJS.SESSION-TOKEN=a", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|found| found.map(str::to_owned)).collect();
            assert_eq!(values(cookies), expected, "{cookies}");
        }
    }

    #[test]
    fn pieces_beyond_number_and_length_are_refused() {
        let pieces = |count: usize, length: usize| {
            let piece = |number| format!("{NAME}.{number}={}", "x".repeat(length));
            (0..count).map(piece).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(values(&pieces(20, 3_000)), [Ok("x".repeat(60_000))]);
        assert_eq!(values(&pieces(21, 10)), [Err(CutFault::TooMany)]);
        assert_eq!(values(&pieces(20, 3_201)), [Err(CutFault::TooLong)]);
        assert_eq!(
            values(&format!("{NAME}={}", "x".repeat(64_001))),
            [Err(CutFault::TooLong)]
        );
    }

    #[test]
    fn a_cookie_of_another_program_that_is_not_ascii_hides_no_session() {
        let mut headers = HeaderMap::new();
        let line = b"theme=\xff\xfe; authjs.session-token=a; city=K\xc3\xb6ln";
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        let found = candidates(NAME, pairs(&headers));
        assert_eq!(found, [Ok(Candidate::whole(NAME, "a"))]);
    }

    #[test]
    fn the_site_is_sent_what_the_browser_sent() {
        let cookies = [
            ("authjs.session-token.0", "a%2B"),
            ("authjs.session-token.1", "b"),
            ("authjs.session-token", "w"),
        ];
        let sent: Vec<String> = candidates(NAME, cookies.into_iter())
            .into_iter()
            .map(|found| found.unwrap().as_sent())
            .collect();
        assert_eq!(
            sent,
            [
                "authjs.session-token=w",
                "authjs.session-token.0=a%2B; authjs.session-token.1=b"
            ]
        );
    }

    #[test]
    fn cookies_of_other_kinds_are_known_by_their_names() {
        for name in [
            "authjs.state",
            "__Secure-next-auth.pkce.code_verifier",
            "__Host-authjs.csrf-token",
            "next-auth.callback-url",
        ] {
            assert!(is_of_another_kind(name), "{name}");
        }
        for name in DEFAULT_NAMES.into_iter().chain(["state", "myauth.state"]) {
            assert!(!is_of_another_kind(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic_or_answer_too_much(
            words in proptest::collection::vec(prop_oneof![
                Just(b"authjs.session-token".to_vec()),
                prop_oneof![Just("=a"), Just(".0="), Just(".1=b"), Just("; "), Just("\""), Just("%")].prop_map(|word| word.as_bytes().to_vec()),
                proptest::collection::vec(any::<u8>(), 0..20),
            ], 0..60)
        ) {
            let line = words.concat();
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                headers.append(header::COOKIE, value);
            }
            let found = candidates(NAME, pairs(&headers));
            prop_assert!(found.len() <= limits::SESSION_TWINS + 1);
        }

        #[test]
        fn pieces_come_together_in_whatever_order_they_are_sent(count in 1usize..=20, seed in any::<u64>()) {
            let mut numbers: Vec<usize> = (0..count).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut numbers);
            let names: Vec<(String, String)> = numbers.iter().map(|n| (format!("{NAME}.{n}"), format!("<{n}>"))).collect();
            let found = candidates(NAME, names.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let expected: String = (0..count).map(|n| format!("<{n}>")).collect();
            prop_assert_eq!(found.into_iter().map(|found| found.map(|it| it.value())).collect::<Vec<_>>(), [Ok(expected)]);
        }
    }
}
