//! Reading what clients send: strict where JSON is ambiguous, lenient where front ends differ.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::model::{Error, Result};

/// A JSON value in which no object names a field twice (RFC 8259, section 4, leaves that open; two readers of one
/// text must not understand it differently). Lone surrogates and nesting over 128 levels are refused by the parser.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = fields.next_entry::<String, Strict>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!("the field {name:?} stands twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// Parses a whole text.
pub fn parse(text: &[u8]) -> Result<Value> {
    match serde_json::from_slice::<Strict>(text) {
        Ok(Strict(value)) => Ok(value),
        Err(error) => Err(Error::invalid(format!("This is not valid JSON: {error}."))),
    }
}

/// The fields of a request, from a JSON object or a form.
#[derive(Debug, Default)]
pub struct Fields {
    map: Map<String, Value>,
    /// Form fields are all text: `"true"` is a boolean there.
    is_form: bool,
}

impl Fields {
    pub fn from_json(value: Value) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Fields { map, is_form: false }),
            _ => Err(Error::invalid("The body must be a JSON object.")),
        }
    }

    /// Doubled names are refused as in JSON.
    pub fn from_form(fields: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut map = Map::new();
        for (name, value) in fields {
            if map.contains_key(&name) {
                return Err(Error::invalid(format!("The field {name:?} stands twice.")));
            }
            map.insert(name, Value::String(value));
        }
        Ok(Fields { map, is_form: true })
    }

    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A field that is absent, `null`, or empty in a form (whose inputs are always sent) is `None`.
    fn value(&self, name: &str) -> Option<&Value> {
        let is_empty = |value: &Value| value.is_null() || (self.is_form && value.as_str() == Some(""));
        self.map.get(name).filter(|value| !is_empty(value))
    }

    /// An id: a text, or an integer (as some databases have them).
    pub fn id(&self, name: &str) -> Result<Option<String>> {
        self.value(name).map(|value| id_of(value, name)).transpose()
    }

    pub fn required_id(&self, name: &str) -> Result<String> {
        self.id(name)?.ok_or_else(|| missing(name))
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(format!("{name} must be a string."))),
        }
    }

    pub fn required_text(&self, name: &str) -> Result<&str> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if self.is_form && text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if self.is_form && text == "false" => Ok(Some(false)),
            Some(_) => Err(Error::invalid(format!("{name} must be true or false."))),
        }
    }

    /// A `seq`: a whole number that is not negative.
    pub fn seq(&self, name: &str) -> Result<Option<i64>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(seq) if seq >= 0 => Ok(Some(seq)),
                _ => Err(Error::invalid(format!(
                    "{name} must be the seq of a message: a whole number."
                ))),
            },
        }
    }

    /// A number of bytes, which forms write as text.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        let read = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let not_a_size = || Error::invalid(format!("{name} must be a number of bytes."));
        let size = self.value(name).map(|value| read(value).ok_or_else(not_a_size));
        size.transpose()
    }

    pub fn ids(&self, name: &str) -> Result<Option<Vec<String>>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| id_of(item, name))
                .collect::<Result<_>>()
                .map(Some),
            Some(_) => Err(Error::invalid(format!("{name} must be an array of ids."))),
        }
    }

    /// A change to a text field: absent keeps, `null` empties. At most `max_chars` characters.
    pub fn text_patch(&self, name: &str, max_chars: usize) -> Result<Option<Option<String>>> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) if text.chars().count() <= max_chars => Ok(Some(Some(text.clone()))),
            Some(Value::String(_)) => Err(Error::too_large(format!(
                "{name} may have at most {max_chars} characters."
            ))),
            Some(_) => Err(Error::invalid(format!("{name} must be a string or null."))),
        }
    }

    pub fn id_patch(&self, name: &str) -> Result<Option<Option<String>>> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => id_of(value, name).map(|id| Some(Some(id))),
        }
    }

    pub fn raw(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }
}

fn missing(name: &str) -> Error {
    Error::invalid(format!("{name} is missing."))
}

/// A text as it stands, or an integer's digits.
pub fn id_of(value: &Value, name: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        _ => Err(Error::invalid(format!("{name} must be an id: a string or an integer."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_json_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"[{"a":1,"\u0061":2}]"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            "{\"a\":\"\u{1}\"}",
            "",
            "{",
            "{}x",
            "{'a':1}",
            "NaN",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(
            parse(&[b"[".repeat(100_000), b"]".repeat(100_000)].concat()).is_err(),
            "deep nesting"
        );
        assert!(parse(r#"{"a":"\ud83d\ude00","b":[{"a":1},{"a":1}]}"#.as_bytes()).is_ok());
    }

    #[test]
    fn an_id_may_be_an_integer_and_nothing_else() {
        let fields = Fields::from_json(parse(br#"{"i":7,"s":"7","f":7.5,"b":true,"n":null,"o":{}}"#).unwrap()).unwrap();
        assert_eq!(fields.id("i").unwrap().as_deref(), Some("7"));
        assert_eq!(fields.id("s").unwrap().as_deref(), Some("7"));
        assert_eq!(fields.id("n").unwrap(), None);
        for name in ["f", "b", "o"] {
            assert!(fields.id(name).is_err(), "{name}");
        }
    }
}
