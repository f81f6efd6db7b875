//! Query strings.

use percent_encoding::percent_decode_str;

use crate::{
    chat::page::PageQuery,
    model::{Error, Result},
};

/// A query's parameters, each at most once.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// Refuses a parameter that stands twice: two readers would pick different ones.
pub fn parse(text: &str) -> Result<Query> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(Error::invalid(format!("The parameter {name:?} stands twice.")));
        }
        parameters.push((name, value));
    }
    Ok(Query(parameters))
}

fn decode(text: &str) -> Result<String> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| Error::invalid("The query is not valid UTF-8."))
}

impl Query {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Error::invalid(format!("The parameter {name} is missing."))),
        }
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Error::invalid(format!("{name} must be true or false."))),
        }
    }

    pub fn page(&self) -> PageQuery {
        let get = |name| self.get(name).map(str::to_owned);
        PageQuery {
            limit: get("limit"),
            before: get("before"),
            after: get("after"),
            cursor: get("cursor"),
            wait: get("wait"),
        }
    }
}
