//! The text of a message: what is altered, what is refused.

use super::{
    error::{Error, Result},
    limits,
};

/// The text as it is stored: without control characters other than newline and tab, trimmed, nothing else altered.
pub fn clean(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    kept.trim().to_owned()
}

/// The text as it is stored, 1 to 8,000 Unicode characters.
pub fn checked(text: &str, field: &str) -> Result<String> {
    let text = checked_or_empty(text, field)?;
    if text.is_empty() {
        return Err(Error::invalid(format!("{field} must not be empty.")));
    }
    Ok(text)
}

/// The text beside an attachment as it is stored, at most 8,000 Unicode characters.
pub fn checked_or_empty(text: &str, field: &str) -> Result<String> {
    let text = clean(text);
    // No more characters than bytes: most texts need no counting.
    if text.len() > limits::CONTENT_CHARS {
        let characters = text.chars().count();
        if characters > limits::CONTENT_CHARS {
            return Err(Error::too_large(format!(
                "{field} has {characters} characters; at most {} are allowed.",
                limits::CONTENT_CHARS
            )));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_the_rest_stays() {
        assert_eq!(clean("\u{0}\t a\u{7}b\r\n<b>\u{85}c\u{9f}  "), "ab\n<b>c");
        assert_eq!(clean("👨‍👩‍👧 e\u{301} \u{202e}x"), "👨‍👩‍👧 e\u{301} \u{202e}x");
    }

    #[test]
    fn the_limit_counts_characters_and_not_bytes() {
        assert!(checked(&"é".repeat(8_000), "content").is_ok());
        assert!(checked(&"é".repeat(8_001), "content").is_err());
        assert!(checked(&format!("  {}  ", "x".repeat(8_000)), "content").is_ok());
    }

    #[test]
    fn nothing_but_space_is_empty() {
        for text in ["", " \n\t ", "\u{0}\u{1}", "\u{a0}\u{2003}"] {
            assert!(checked(text, "content").is_err(), "{text:?}");
        }
    }
}
