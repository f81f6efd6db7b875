//! Where settings come from: flag, environment variable, `doorbell.toml`, default, the first that has one.

use std::{collections::BTreeMap, path::Path};

use super::{
    ConfigFault,
    catalogue::{SETTINGS, Setting},
};

/// The file that is read when none is named.
pub const FILE_NAME: &str = "doorbell.toml";

/// All texts from which settings are read, secrets among them: so none of these types can be printed. Tests fill it by
/// hand; a process by [`Sources::of_process`].
#[derive(Clone, Default)]
pub struct Sources {
    /// By key.
    pub flags: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub file: Option<SettingsFile>,
}

/// A `doorbell.toml` that was read.
#[derive(Clone)]
pub struct SettingsFile {
    pub path: String,
    /// By key; a list is joined with commas.
    values: BTreeMap<String, String>,
}

/// A setting's text, and what its user calls it.
#[derive(Clone)]
pub struct Found {
    pub text: String,
    pub place: Place,
    /// `--listen`, `DOORBELL_LISTEN`, `listen (in doorbell.toml)`.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Flag,
    Variable(&'static str),
    File,
}

impl Sources {
    /// Reads the environment, and the file at `config` (a flag), else at `DOORBELL_CONFIG`, else `doorbell.toml` here
    /// when there is one.
    pub fn of_process(flags: BTreeMap<String, String>, config: Option<&str>) -> Result<Self, ConfigFault> {
        let mut environment = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            let is_ours =
                name.starts_with("DOORBELL_") || SETTINGS.iter().any(|setting| setting.variables.contains(&name));
            match value.into_string() {
                Ok(value) => drop(environment.insert(name.to_owned(), value)),
                Err(_) if is_ours => {
                    return Err(ConfigFault::new(format!("{name} is not UTF-8; write it in UTF-8.")));
                }
                Err(_) => {}
            }
        }
        let named = config.map(|path| (path, "--config")).or_else(|| {
            environment
                .get("DOORBELL_CONFIG")
                .filter(|path| !path.is_empty())
                .map(|path| (path.as_str(), "DOORBELL_CONFIG"))
        });
        let file = match named {
            Some((path, name)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ConfigFault::new(format!(
                        "{name} is {path:?}, which cannot be read ({error}); name a file that can."
                    ))
                })?;
                Some(SettingsFile::parse(path, &text)?)
            }
            None if Path::new(FILE_NAME).exists() => {
                let text = std::fs::read_to_string(FILE_NAME).map_err(|error| {
                    ConfigFault::new(format!(
                        "{FILE_NAME} cannot be read ({error}); make it readable or remove it."
                    ))
                })?;
                Some(SettingsFile::parse(FILE_NAME, &text)?)
            }
            None => None,
        };
        Ok(Sources {
            flags,
            environment,
            file,
        })
    }

    /// The first source that has the setting. An empty variable counts as none: that is how shells and container
    /// files leave one out.
    pub fn find(&self, setting: &'static Setting) -> Option<Found> {
        if let Some(text) = self.flags.get(setting.key) {
            let name = format!("--{}", setting.flag());
            return Some(Found {
                text: text.clone(),
                place: Place::Flag,
                name,
            });
        }
        let (ours, others) = setting.variables.split_at(1);
        let variable = |name: &&'static str| {
            let text = self.environment.get(*name).filter(|text| !text.is_empty())?;
            Some(Found {
                text: text.clone(),
                place: Place::Variable(name),
                name: (*name).to_owned(),
            })
        };
        ours.iter()
            .find_map(variable)
            .or_else(|| self.find_in_file(setting))
            .or_else(|| others.iter().find_map(variable))
    }

    fn find_in_file(&self, setting: &'static Setting) -> Option<Found> {
        let file = self.file.as_ref()?;
        let text = file.values.get(setting.key)?;
        Some(Found {
            text: text.clone(),
            place: Place::File,
            name: format!("{} (in {})", setting.key, file.path),
        })
    }

    /// Variables that look like ours and are not: most likely misspelt.
    pub fn misspelt_variables(&self) -> Vec<(String, &'static str)> {
        let known = || SETTINGS.iter().flat_map(|setting| setting.variables).copied();
        self.environment
            .keys()
            .filter(|name| {
                name.starts_with("DOORBELL_") && *name != "DOORBELL_CONFIG" && known().all(|known| known != *name)
            })
            .filter_map(|name| {
                let nearest = known().min_by_key(|known| edit_distance(name, known))?;
                (edit_distance(name, nearest) <= 2).then(|| (name.clone(), nearest))
            })
            .collect()
    }
}

impl SettingsFile {
    pub fn parse(path: &str, text: &str) -> Result<Self, ConfigFault> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let what = error.message().lines().next().unwrap_or("it cannot be read").to_owned();
            ConfigFault::new(format!("{path}, line {line}, is not TOML ({what}); mend that line."))
        })?;
        let mut values = BTreeMap::new();
        for (key, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
                let nearest = SETTINGS
                    .iter()
                    .map(|setting| setting.key)
                    .min_by_key(|known| edit_distance(&key, known));
                let nearest = nearest.unwrap_or_default();
                return Err(ConfigFault::new(format!(
                    "{path} has {key:?}, which is not a setting; did you mean {nearest:?}?"
                )));
            };
            let Some(text) = text_of(&value) else {
                let example = if setting.example.is_empty() {
                    setting.default
                } else {
                    setting.example
                };
                return Err(ConfigFault::new(format!(
                    "{key} (in {path}) is a {}, which no setting is; write {key} = \"{example}\".",
                    value.type_str()
                )));
            };
            // An empty list is how a file says "none of them".
            if !(value.is_array() && text.is_empty()) {
                values.insert(key, text);
            }
        }
        Ok(SettingsFile {
            path: path.to_owned(),
            values,
        })
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(is_on) => Some(if *is_on { "on" } else { "off" }.to_owned()),
        toml::Value::Array(parts) => {
            let parts: Option<Vec<String>> = parts.iter().map(|part| part.as_str().map(str::to_owned)).collect();
            parts.map(|parts| parts.join(","))
        }
        _ => None,
    }
}

/// Insertions, deletions and replacements from one word to the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
