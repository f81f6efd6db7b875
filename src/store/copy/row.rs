//! Rows on their way from one engine to the other.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One value. `Bytes` are never part of a key, and so never kept in the marker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::store) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

pub(in crate::store) type Row = Vec<Value>;

/// What a row takes in memory, about, in bytes.
pub(in crate::store) fn size(row: &[Value]) -> usize {
    row.iter()
        .map(|value| match value {
            Value::Text(text) => 32 + text.len(),
            Value::Bytes(bytes) => 32 + bytes.len(),
            _ => 32,
        })
        .sum()
}

/// A digest over rows in order, the same for the same rows from either engine, and for none else: each value stands
/// with its kind and its length.
#[derive(Default, Clone)]
pub(in crate::store) struct RowDigest(Sha256);

impl RowDigest {
    pub(in crate::store) fn add(&mut self, row: &[Value]) {
        for value in row {
            match value {
                Value::Null => self.0.update([0]),
                Value::Boolean(value) => self.0.update([1, u8::from(*value)]),
                Value::Integer(value) => {
                    self.0.update([2]);
                    self.0.update(value.to_be_bytes());
                }
                Value::Text(text) => self.long(3, text.as_bytes()),
                Value::Bytes(bytes) => self.long(4, bytes),
            }
        }
    }

    fn long(&mut self, kind: u8, bytes: &[u8]) {
        self.0.update([kind]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// In hexadecimal digits.
    pub(in crate::store) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[Row]) -> String {
        let mut digest = RowDigest::default();
        rows.iter().for_each(|row| digest.add(row));
        digest.finish()
    }

    #[test]
    fn rows_that_differ_have_different_digests() {
        let text = |text: &str| Value::Text(text.into());
        let rows = [
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![Value::Null, text("ab")],
            vec![text("a"), Value::Bytes(b"b".to_vec())],
            vec![Value::Integer(1), Value::Boolean(true)],
            vec![Value::Integer(1), Value::Integer(1)],
            vec![Value::Integer(1), Value::Null],
        ];
        let mut digests: Vec<String> = rows.iter().map(|row| digest(std::slice::from_ref(row))).collect();
        digests.push(digest(&rows));
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), rows.len() + 1);
        assert_eq!(digest(&rows[..1]).len(), 64);
    }

    #[test]
    fn a_key_is_the_same_after_it_was_kept_in_the_marker() {
        let key = vec![Value::Text("a\0\"\u{10FFFE}".into()), Value::Integer(i64::MAX)];
        let kept = serde_json::to_string(&key).unwrap();
        assert!(!kept.contains('\0'));
        assert_eq!(serde_json::from_str::<Row>(&kept).unwrap(), key);
    }
}
