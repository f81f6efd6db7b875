//! The command line: a scenario, then pairs of `--name value`.

use std::{collections::HashMap, str::FromStr};

pub const DEFAULT_SECRET: &str = "bench-secret-bench-secret-bench-secret";

#[derive(Clone)]
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// The scenario and what it is given; nothing if a name has no hyphens.
    pub fn read(mut words: impl Iterator<Item = String>) -> Option<(String, Self)> {
        let scenario = words.next()?;
        let mut given = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--")?.to_owned();
            given.insert(name, words.next().unwrap_or_default());
        }
        Some((scenario, Arguments(given)))
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| default.to_owned())
    }

    pub fn number<T: FromStr>(&self, name: &str, default: T) -> T {
        self.0.get(name).map_or(default, |value| {
            value
                .parse()
                .unwrap_or_else(|_| panic!("--{name}: not a number: {value}"))
        })
    }

    /// Of the servers, which share their data: connections are spread over them.
    pub fn ports(&self) -> Vec<u16> {
        let ports = self.text("port", "3001");
        let parse = |port: &str| port.parse().unwrap_or_else(|_| panic!("--port: not a port: {port}"));
        ports.split(',').map(parse).collect()
    }

    /// The first of them.
    pub fn port(&self) -> u16 {
        self.ports()[0]
    }

    pub fn secret(&self) -> String {
        self.text("secret", DEFAULT_SECRET)
    }
}
