//! Texts as PostgreSQL can hold them: it has no character of code 0. Such a character is written as [`ESCAPE`] and a
//! digit, and so is [`ESCAPE`] itself, which is no character in Unicode and stands in no ordinary text.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::connection::Done;

pub(in crate::store) const ESCAPE: char = '\u{10FFFE}';

pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, '1']),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ESCAPE => plain.push(if characters.next() == Some('0') { '\0' } else { ESCAPE }),
            other => plain.push(other),
        }
    }
    plain
}

/// The text in a column that is never NULL.
pub(super) fn text(row: &Row, column: usize) -> Done<String> {
    Ok(unescaped(row.try_get(column)?))
}

/// The text in a column that may be NULL.
pub(super) fn text_or_null(row: &Row, column: usize) -> Done<Option<String>> {
    Ok(row.try_get::<_, Option<String>>(column)?.map(unescaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in [
            "",
            "plain",
            "a\0b",
            "\0",
            "\u{10FFFE}",
            "\u{10FFFE}0",
            "\0\u{10FFFE}\u{10FFFE}1",
        ] {
            assert!(!escaped(text).contains('\0'));
            assert_eq!(unescaped(escaped(text).into_owned()), text);
        }
    }
}
