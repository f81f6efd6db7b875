//! Keys of the host application's own servers, and what each of them may do.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    Secret,
    values::{Wrong, list, wrong},
};
use crate::model::limits;

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Write users and listings.
    Directory,
    /// Change conversations and their memberships.
    Conversations,
    /// Ask for a token of any user: whoever may do that can be anybody.
    Tokens,
    /// End a user's sessions.
    Sessions,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::Directory, Scope::Conversations, Scope::Tokens, Scope::Sessions];

    /// As it stands before a key.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Directory => "directory",
            Scope::Conversations => "conversations",
            Scope::Tokens => "tokens",
            Scope::Sessions => "sessions",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Everything that one key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes([bool; Scope::ALL.len()]);

impl Scopes {
    pub const ALL: Scopes = Scopes([true; Scope::ALL.len()]);

    pub fn contains(self, scope: Scope) -> bool {
        self.0[scope as usize]
    }

    /// Names of scopes with `+` between them; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scopes = Scopes([false; Scope::ALL.len()]);
        for name in text.split('+') {
            scopes.0[Scope::parse(name.trim())? as usize] = true;
        }
        Some(scopes)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = Scope::ALL.into_iter().filter(|scope| self.contains(*scope));
        f.write_str(&names.map(Scope::as_str).collect::<Vec<_>>().join("+"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub key: Secret,
    pub scopes: Scopes,
}

/// Where keys come from. Without any, the calls of the host's servers are off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// They stay as long as the process.
    pub fixed: Vec<ApiKey>,
    /// Read again when it changes; see [`ApiKeySettings::read`].
    pub file: Option<PathBuf>,
}

impl ApiKeySettings {
    /// All keys that count now.
    ///
    /// # Errors
    ///
    /// A sentence on the file that names the line and never a key.
    pub fn read(&self) -> Result<Vec<ApiKey>, String> {
        let mut keys = self.fixed.clone();
        if let Some(path) = &self.file {
            keys.extend(read_file(path)?);
        }
        match complaint(&keys) {
            Some(why) => Err(format!(
                "The API keys of DOORBELL_API_KEY and {} together {why}.",
                self.file.as_deref().unwrap_or(Path::new("")).display()
            )),
            None => Ok(keys),
        }
    }
}

const MEND: &str = "write keys of ASCII letters and digits, as openssl rand -hex 32 makes them, each alone or with what it may do \
                    before it, as directory+sessions:KEY (directory, conversations, tokens, sessions)";

/// The value of `DOORBELL_API_KEY`.
pub fn api_keys(text: &str) -> Result<Vec<ApiKey>, Wrong> {
    let keys: Vec<ApiKey> = list(text).into_iter().map(api_key).collect::<Result<_, _>>()?;
    match complaint(&keys) {
        Some(why) => wrong(why, MEND),
        None if keys.is_empty() => wrong("holds no key", MEND),
        None => Ok(keys),
    }
}

/// What is wrong with these keys as a whole.
fn complaint(keys: &[ApiKey]) -> Option<String> {
    if keys.len() > limits::API_KEYS {
        return Some(format!("are more than {} keys", limits::API_KEYS));
    }
    let is_repeated = |(at, key): (usize, &ApiKey)| keys[..at].iter().any(|other| other.key == key.key);
    keys.iter()
        .enumerate()
        .any(is_repeated)
        .then(|| "hold one key twice, so that nobody can say what it may do".to_owned())
}

/// `KEY`, which may do everything, or `scope+scope:KEY`. Keys travel in a header, so visible ASCII characters alone.
fn api_key(text: &str) -> Result<ApiKey, Wrong> {
    let (scopes, key) = match text.split_once(':') {
        None => (Scopes::ALL, text),
        Some((scopes, key)) => match Scopes::parse(scopes) {
            Some(scopes) => (scopes, key.trim()),
            // A key with a colon in it is not told apart from a misspelt scope, which would make a key of all scopes.
            None => return wrong("has something before a colon that is no scope", MEND),
        },
    };
    if key.is_empty() || key.contains(':') || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("cannot be sent in a header", MEND);
    }
    Ok(ApiKey {
        key: Secret::new(key),
        scopes,
    })
}

/// May everybody on this machine read the file?
pub fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0)
}

/// A key a line; what begins with `#` is for people.
fn read_file(path: &Path) -> Result<Vec<ApiKey>, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("{shown}, the file of API keys, cannot be read ({error}).");
    // A pipe or a device may never end, and cannot be read again.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(format!("{shown}, the file of API keys, is no regular file."));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let most = limits::API_KEYS_FILE_BYTES;
    file.take(most + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > most {
        return Err(format!("{shown}, the file of API keys, is longer than {most} bytes."));
    }
    // Some editors begin a file with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            api_key(line).map_err(|Wrong { why, mend }| format!("{shown}, line {number}, {why}; {mend}."))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_do_everything_unless_scopes_stand_before_it() {
        let keys = api_keys("aaaa, directory:bbbb ,tokens+sessions:cccc").unwrap();
        let told: Vec<(&str, String)> = keys
            .iter()
            .map(|key| (key.key.expose(), key.scopes.to_string()))
            .collect();
        assert_eq!(
            told,
            [
                ("aaaa", "directory+conversations+tokens+sessions".to_owned()),
                ("bbbb", "directory".to_owned()),
                ("cccc", "tokens+sessions".to_owned()),
            ]
        );
    }

    #[test]
    fn a_misspelt_scope_makes_no_key_of_all_scopes() {
        for (text, expected) in [
            ("directry:hush", "no scope"),
            ("directory+:hush", "no scope"),
            (":hush", "no scope"),
            ("Directory:hush", "no scope"),
            ("directory:", "cannot be sent"),
            ("directory:hush:hush", "cannot be sent"),
            ("hush hush", "cannot be sent"),
            ("hush,directory:hush", "twice"),
            (",", "no key"),
        ] {
            let Wrong { why, mend } = api_keys(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
            assert!(!why.contains("hush") && !mend.contains("hush"));
        }
    }

    #[test]
    fn a_file_of_keys_is_read_line_by_line_and_its_fault_names_the_line_and_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let settings = ApiKeySettings {
            fixed: api_keys("fixed").unwrap(),
            file: Some(path.clone()),
        };
        std::fs::write(&path, "# the shop\ndirectory:one\r\n\n  two  \n").unwrap();
        let keys = settings.read().unwrap();
        assert_eq!(
            keys.iter().map(|key| key.key.expose()).collect::<Vec<_>>(),
            ["fixed", "one", "two"]
        );
        std::fs::write(&path, "\u{feff}# from an editor\r\ndirectory:one\r\ntwo\r\n").unwrap();
        assert_eq!(
            settings.read().unwrap(),
            keys,
            "a byte order mark and other line ends change nothing"
        );
        std::fs::write(&path, "directory:one\nhush hush\n").unwrap();
        let sentence = settings.read().unwrap_err();
        assert!(sentence.contains("line 2") && !sentence.contains("hush"), "{sentence}");
        std::fs::write(&path, "fixed\n").unwrap();
        assert!(settings.read().unwrap_err().contains("twice"));
        std::fs::write(&path, "").unwrap();
        assert_eq!(settings.read().unwrap().len(), 1);
        std::fs::write(&path, "#".repeat(limits::API_KEYS_FILE_BYTES as usize + 1)).unwrap();
        assert!(settings.read().unwrap_err().contains("is longer"));
        let folder = ApiKeySettings {
            file: Some("/dev/zero".into()),
            ..ApiKeySettings::default()
        };
        assert!(folder.read().unwrap_err().contains("no regular file"));
        std::fs::remove_file(&path).unwrap();
        assert!(settings.read().unwrap_err().contains("cannot be read"));
    }
}
