//! The texts of messages, which tell whether they are whole.

use fastrand::Rng;

/// The text of a draft: its id first, then so many characters that follow from the id alone, so that whoever sees it can
/// tell whether it is whole.
pub fn text_of(draft: &str, length: usize) -> String {
    let mut text = format!("{draft} {length} ");
    let mut rng = Rng::with_seed(
        draft
            .bytes()
            .fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))),
    );
    // What a text may hold: letters of one, two, three and four bytes, quotes, and what looks like HTML.
    const LETTERS: [char; 12] = ['a', 'e', 'r', ' ', 'ß', 'é', '"', '\\', '<', '&', '家', '🔔'];
    text.extend((0..length).map(|_| LETTERS[rng.usize(..LETTERS.len())]));
    text.push('.');
    text
}

/// The draft that a text belongs to, and whether the text is whole.
pub fn draft_of(text: &str) -> (String, bool) {
    let mut words = text.splitn(3, ' ');
    let draft = words.next().unwrap_or_default().to_owned();
    let length = words.next().and_then(|length| length.parse().ok());
    let is_whole = length.is_some_and(|length: usize| length <= 8_000 && text_of(&draft, length) == text);
    (draft, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_lost_or_changed_a_character_is_told_from_a_whole_one() {
        let text = text_of("s1-77", 300);
        assert_eq!(draft_of(&text), ("s1-77".to_owned(), true));
        assert!(!draft_of(&text[..text.len() - 1]).1);
        assert!(!draft_of(&text.replacen('a', "e", 1)).1);
        assert!(!draft_of("").1);
    }
}
