//! The arrows between the rooms of `src/`: each room uses those below it alone. And two rules of the house that a reader
//! would overlook.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms that it may use. `ARCHITECTURE.md` says why; a room that is missing here is a failure.
const ROOMS: &[(&str, &[&str])] = &[
    ("cli", &["server", "torture", "transport", "config", "model"]),
    // A black box: what it knows of the product is what stands on the wire.
    ("torture", &[]),
    (
        "server",
        &[
            "demo",
            "observed",
            "contracts",
            "chat",
            "store",
            "fanout",
            "files",
            "transport",
            "config",
            "model",
        ],
    ),
    // The sample marketplace is filled by the verbs alone, as its people would: no store.
    ("demo", &["contracts", "chat", "transport", "config", "model"]),
    // What the others count is read here, so that none of them knows how it is shown.
    ("observed", &["contracts", "chat", "store", "fanout", "model"]),
    // It is `fanout` that hands a contract what to render. The store stays out of its reach: verbs alone lead there.
    ("contracts", &["chat", "fanout", "transport", "config", "model"]),
    ("chat", &["store", "fanout", "files", "config", "model"]),
    ("transport", &["config", "model"]),
    ("store", &["model"]),
    ("fanout", &["model"]),
    ("files", &["model"]),
    ("config", &["model"]),
    ("model", &[]),
];

/// What a log line must not carry, whatever its level (docs/logging.md).
const NEVER_LOGGED: &[&str] = &[
    "token",
    "secret",
    "api_key",
    "password",
    "cookie",
    "authorization",
    "content",
    "text",
    "body",
    "email",
];

#[test]
fn each_room_uses_those_below_it_alone() {
    let violations: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| forbidden_uses(path, text))
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn no_log_line_carries_a_token_or_a_text() {
    let violations: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| telltale_logs(path, text))
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn a_planted_violation_is_found() {
    for (path, text, is_forbidden) in [
        ("model/user.rs", "use crate::store::Store;", true),
        ("model/user.rs", "use crate::model::id::UserId;", false),
        (
            "store/sqlite/append.rs",
            "use crate::{\n    model::{Message, chat::X},\n    chat::Chat,\n};",
            true,
        ),
        (
            "store/sqlite/append.rs",
            "use crate::{model::{Message, chat::X}, store::Facts};",
            false,
        ),
        ("chat/send.rs", "fn f() { crate::contracts::render() }", true),
        ("chat/send.rs", "pub(crate) fn f() {} // crate::contracts", false),
        ("chat/mod.rs", "use super::transport::origin;", true),
        ("chat/send.rs", "use super::super::transport::origin;", true),
        ("chat/send.rs", "use super::store::X;", false),
        ("chat.rs", "use super::contracts::X;", true),
        ("transport/http.rs", "use crate::chat;", true),
        ("contracts/v1/mod.rs", "use crate::store::Store;", true),
        (
            "contracts/v1/mod.rs",
            "use crate::{chat::Chat, transport::origin};",
            false,
        ),
        ("newroom/mod.rs", "use crate::model::X;", true),
        ("lib.rs", "pub mod newroom;", false),
    ] {
        assert_eq!(
            !forbidden_uses(Path::new(path), text).is_empty(),
            is_forbidden,
            "{path}: {text}"
        );
    }
    for (text, is_telltale) in [
        ("tracing::debug!(%token, \"refused\")", true),
        (
            "tracing::debug!(\n    content = ?message.content,\n    \"stored\"\n);",
            true,
        ),
        ("tracing::debug!(code = fault.code(), \"token refused\")", false),
        ("warn!(text, \"x\")", true),
        ("tracing::info!(%address, \"listening\")", false),
    ] {
        assert_eq!(
            !telltale_logs(Path::new("x.rs"), text).is_empty(),
            is_telltale,
            "{text}"
        );
    }
}

/// Every source of the library, by its path below `src/`.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 10, "the sources are somewhere else");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable source");
        (path.strip_prefix(&root).expect("below src").to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

fn forbidden_uses(path: &Path, text: &str) -> Vec<String> {
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    let room = module[0].as_str();
    if matches!(room, "lib" | "main") {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!(
            "src/{}: the room {room:?} is new; say in ROOMS what it may use",
            path.display()
        )];
    };
    let is_room = |name: &str| ROOMS.iter().any(|(room, _)| *room == name);
    used_from_root(&without_comments(text), module.len())
        .into_iter()
        .filter(|used| is_room(used) && used != room && !allowed.contains(&used.as_str()))
        .map(|used| format!("src/{}: {room} must not use {used}", path.display()))
        .collect()
}

/// The first names of all paths that begin at the crate's root: `crate::name`, `crate::{name, ...}`, and as many `super`s
/// as lead there from a module `depth` levels below it.
fn used_from_root(text: &str, depth: usize) -> Vec<String> {
    let to_root = "super::".repeat(depth);
    let mut names = Vec::new();
    for start in ["crate::", &to_root] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = text[at + start.len()..].trim_start();
            match rest.strip_prefix('{') {
                Some(group) => names.extend(first_names(group)),
                None => names.push(name_at(rest)),
            }
        }
    }
    names
}

/// The first name of each path in a group, whose opening brace has been read.
fn first_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut begins) = (Vec::new(), 1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            c if begins && !c.is_whitespace() => {
                names.push(name_at(&group[at..]));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `text` without what stands behind `//`. An address in a string loses its end by it, which no path needs.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Log macros with a field of a forbidden name. The message in quotes may use the words.
fn telltale_logs(path: &Path, text: &str) -> Vec<String> {
    let text = without_comments(text);
    let mut found = Vec::new();
    for level in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
        for (at, _) in text.match_indices(level) {
            let call = &text[at + level.len()..];
            let call = call.split(';').next().unwrap_or(call);
            // Every second piece between quotes is a string.
            let fields: String = call.split('"').step_by(2).collect::<Vec<_>>().join(" ");
            let words = fields.split(|c: char| !c.is_alphanumeric() && c != '_');
            found.extend(
                words
                    .filter(|word| NEVER_LOGGED.contains(word))
                    .map(|word| format!("src/{}: a log line ({level}...) carries {word:?}", path.display())),
            );
        }
    }
    found
}
