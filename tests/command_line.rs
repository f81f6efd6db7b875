//! The binary as somebody at a shell meets it: what it prints, and its exit code.

use std::{
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

struct Shell {
    folder: TempDir,
}

impl Shell {
    fn new() -> Self {
        Shell {
            folder: TempDir::new().expect("a folder"),
        }
    }

    /// Runs `doorbell` in an empty folder, with nothing in its environment but `environment`.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_doorbell"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .expect("the binary runs")
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_good_configuration_is_shown_with_where_each_value_comes_from() {
    let shell = Shell::new();
    shell.file("doorbell.toml", "group_max = 77\njwt_secret = \"hush-hush\"\n");
    let output = shell.run(&["check-config", "--max-image", "2MiB"], &[("PORT", "8080")]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    for expected in [
        "77  [group_max (in doorbell.toml)]",
        "2MiB  [--max-image]",
        "*:8080  [PORT]",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(
        text.contains("set  [jwt_secret (in doorbell.toml)]") && !text.contains("hush"),
        "{text}"
    );
}

#[test]
fn a_wrong_configuration_is_one_sentence_and_exit_code_2_in_every_command() {
    let shell = Shell::new();
    for arguments in [
        &["check-config"][..],
        &["serve"],
        &["demo"],
        &["migrate"],
        &["copy", "--to", "postgres://u@127.0.0.1:1/d"],
        &["token", "--user", "u1"],
    ] {
        let output = shell.run(arguments, &[("DOORBELL_GROUP_MAX", "1")]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let expected = "DOORBELL_GROUP_MAX is \"1\", which is out of range; write a whole number from 2 to 10000.\n";
        assert_eq!(err(&output), expected, "{arguments:?}");
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_bus_that_cannot_be_used_is_one_sentence_and_exit_code_2() {
    let shell = Shell::new();
    // Something that is no Redis: it greets, and hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"220 mail.example.com ready\r\n");
        }
    });
    let url = format!("redis://:hush-hush@{place}");
    let bus = ("DOORBELL_REDIS_URL", url.as_str());
    for (database, expected) in [
        (
            "sqlite://chat.db",
            "DOORBELL_REDIS_URL is set, but the database is SQLite",
        ),
        ("postgres://127.0.0.1:1/d", "is not Redis"),
    ] {
        let output = shell.run(&["serve"], &[("DOORBELL_DATABASE_URL", database), bus]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        let said = err(&output);
        let sentence = said.lines().last().expect("a sentence");
        assert!(sentence.contains("DOORBELL_REDIS_URL"), "{said}");
        assert!(sentence.contains(expected) && sentence.ends_with('.'), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

/// A file that a Doorbell could have left, and how it is spoilt.
#[test]
fn a_sqlite_file_that_cannot_be_used_is_one_sentence_and_exit_code_2() {
    let shell = Shell::new();
    let made = shell.run(&["migrate", "--database-url", "sqlite://good.db"], &[]);
    assert!(made.status.success(), "{}", err(&made));
    let good = std::fs::read(shell.folder.path().join("good.db")).expect("a database");
    // Where the header of a SQLite file has its user_version and its application_id, big-endian
    // (https://www.sqlite.org/fileformat.html, section 1.3).
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    for (name, bytes, expected) in [
        ("newer.db", with(63, 77), "has schema 77"),
        ("foreign.db", with(71, 1), "is a database of another program"),
        ("letter.db", b"Dear reader, ".repeat(100), "is no SQLite database"),
        ("truncated.db", good[..good.len() / 2].to_vec(), "cannot be used"),
        ("folder/letter.db/chat.db", Vec::new(), "cannot be written"),
    ] {
        match name.split_once("/letter.db/") {
            // Below a file nobody may write, root included.
            Some((folder, _)) => {
                std::fs::create_dir(shell.folder.path().join(folder)).expect("a folder");
                shell.file("folder/letter.db", "Dear reader");
            }
            None => std::fs::write(shell.folder.path().join(name), &bytes).expect("a file"),
        }
        for command in ["migrate", "serve"] {
            let url = format!("sqlite://{name}");
            let output = shell.run(&[command, "--database-url", &url, "--listen", "127.0.0.1:0"], &[]);
            let said = err(&output);
            assert_eq!(output.status.code(), Some(2), "{command} {name}: {said}");
            let sentence = said.lines().last().expect("a sentence");
            assert!(
                sentence.starts_with(name) && sentence.contains(expected),
                "{command}: {said}"
            );
            assert!(sentence.ends_with('.'), "{said}");
        }
    }
}

#[test]
fn a_named_file_must_be_there() {
    let shell = Shell::new();
    let by_flag = shell.run(&["check-config", "--config", "no.toml"], &[]);
    assert_eq!(by_flag.status.code(), Some(2));
    assert!(
        err(&by_flag).starts_with("--config is \"no.toml\", which cannot be read"),
        "{}",
        err(&by_flag)
    );
    let by_variable = shell.run(&["check-config"], &[("DOORBELL_CONFIG", "no.toml")]);
    assert!(
        err(&by_variable).starts_with("DOORBELL_CONFIG is \"no.toml\""),
        "{}",
        err(&by_variable)
    );
    shell.file("other.toml", "group_max = 9");
    let found = shell.run(&["check-config"], &[("DOORBELL_CONFIG", "other.toml")]);
    assert!(
        out(&found).contains("9  [group_max (in other.toml)]"),
        "{}",
        out(&found)
    );
}

#[test]
fn the_annotated_file_can_be_used_as_it_is() {
    let shell = Shell::new();
    let printed = shell.run(&["check-config", "--print-default"], &[]);
    assert!(printed.status.success());
    shell.file("doorbell.toml", &out(&printed));
    let output = shell.run(&["check-config"], &[]);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn a_token_is_alone_on_standard_output() {
    let shell = Shell::new();
    let output = shell.run(
        &["token", "--user", "u1", "--for", "1h"],
        &[("DOORBELL_JWT_SECRET", "hush-hush")],
    );
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert_eq!(text.trim_end().split('.').count(), 3, "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(err(&output).starts_with("Valid until "), "{}", err(&output));
}

#[test]
fn a_wrong_user_is_told_before_a_missing_secret() {
    let shell = Shell::new();
    let wrong = shell.run(&["token", "bad id"], &[]);
    assert_eq!(wrong.status.code(), Some(2), "{}", err(&wrong));
    assert!(
        err(&wrong).starts_with("The user is \"bad id\", but a user id must have"),
        "{}",
        err(&wrong)
    );
    let without_secret = shell.run(&["token", "u1"], &[]);
    assert_eq!(without_secret.status.code(), Some(1));
    assert!(
        err(&without_secret).ends_with("start the server once, or set DOORBELL_JWT_SECRET.\n"),
        "{}",
        err(&without_secret)
    );
    shell.file("doorbell.db", "no database at all");
    let broken = shell.run(&["token", "u1", "--database-url", "sqlite://doorbell.db"], &[]);
    assert_eq!(broken.status.code(), Some(2), "{}", err(&broken));
    assert!(
        err(&broken).contains("cannot be read") && err(&broken).ends_with("set DOORBELL_JWT_SECRET.\n"),
        "{}",
        err(&broken)
    );
}

#[test]
fn help_is_help_and_nonsense_is_exit_code_2() {
    let shell = Shell::new();
    let help = shell.run(&["--help"], &[]);
    assert!(
        help.status.success() && out(&help).contains("doorbell demo"),
        "{}",
        out(&help)
    );
    for arguments in [&[][..], &["dance"], &["serve", "--dance"], &["token"]] {
        let output = shell.run(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!err(&output).is_empty());
    }
    assert!(
        !Path::new(&shell.folder.path().join("doorbell-data")).exists(),
        "asking leaves nothing behind"
    );
}
