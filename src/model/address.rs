//! Addresses that pages show: whoever opens or loads one must not run somebody else's script by it.

/// May this be the address of a picture? `https:` and `http:`, pictures in `data:`, and what is relative to the page.
pub fn is_of_picture(text: &str) -> bool {
    match scheme(text) {
        None => true,
        Some((scheme, rest)) => is_web(scheme) || (is(scheme, "data") && starts_with(rest, "image/")),
    }
}

/// May this be the address of a page? `https:`, `http:`, and what is relative to the page.
pub fn is_of_page(text: &str) -> bool {
    scheme(text).is_none_or(|(scheme, _)| is_web(scheme))
}

fn is_web(scheme: &str) -> bool {
    is(scheme, "https") || is(scheme, "http")
}

fn is(scheme: &str, name: &str) -> bool {
    scheme.eq_ignore_ascii_case(name)
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| is(head, prefix))
}

/// As browsers find it (WHATWG URL, section 4.4), who pass over blanks before it. Line ends and tabs, which they pass over
/// everywhere, are no part of any text that comes here.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(|character: char| character <= ' ');
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|character: char| character.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_in_a_page_is_no_address_and_what_shows_a_picture_is() {
        for (text, picture, page) in [
            ("https://img.example/a.png", true, true),
            ("HTTP://img.example/a.png", true, true),
            ("/demo/a.svg", true, true),
            ("//img.example/a.png", true, true),
            ("a.png?x=javascript:1", true, true),
            ("", true, true),
            ("data:image/png;base64,AAAA", true, false),
            (" Data:Image/webp;base64,AAAA", true, false),
            ("data:text/html,<script>alert(1)</script>", false, false),
            ("data:,x", false, false),
            ("javascript:alert(1)", false, false),
            ("\u{1} JavaScript:alert(1)", false, false),
            ("vbscript:x", false, false),
            ("blob:https://a.example/1", false, false),
            ("file:///etc/passwd", false, false),
        ] {
            assert_eq!((is_of_picture(text), is_of_page(text)), (picture, page), "{text}");
        }
    }
}
