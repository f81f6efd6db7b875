//! What somebody who configures the server notices.

mod faults;
mod identity;
mod nodes;

use std::collections::BTreeMap;

use super::{
    print,
    sources::SettingsFile,
    values::{duration_text, listen},
    *,
};
use crate::model::limits::Rate;

fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Sources {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let file = (!file.is_empty()).then(|| SettingsFile::parse("doorbell.toml", file).unwrap());
    Sources {
        flags: map(flags),
        environment: map(environment),
        file,
    }
}

fn load_env(environment: &[(&str, &str)]) -> Result<Loaded, ConfigFault> {
    load(&sources(&[], environment, ""), Purpose::Serve)
}

fn settings(environment: &[(&str, &str)]) -> Settings {
    load_env(environment).unwrap().settings
}

fn fault(environment: &[(&str, &str)]) -> String {
    load_env(environment)
        .map(|loaded| loaded.settings)
        .unwrap_err()
        .to_string()
}

#[test]
fn without_any_configuration_the_defaults_of_the_manual_hold() {
    let settings = settings(&[]);
    assert_eq!(settings.listen, listen("127.0.0.1:5544").unwrap());
    assert_eq!(
        settings.database,
        DatabaseUrl::Sqlite("doorbell-data/doorbell.db".into())
    );
    assert_eq!(settings.media, MediaUrl::Folder("doorbell-data/media".into()));
    assert_eq!(settings.rates, RateLimits::default());
    assert_eq!(settings.recovery_window, Duration::from_secs(120));
    assert_eq!(
        (settings.max_image, settings.max_video),
        (limits::IMAGE_BYTES, limits::VIDEO_BYTES)
    );
    assert_eq!(settings.media_quota, Some(limits::MEDIA_QUOTA_BYTES));
    assert_eq!(settings.group_max, limits::GROUP_MAX);
    assert_eq!(
        (settings.directory, settings.contract, settings.show_email),
        (Directory::Open, None, false)
    );
    assert_eq!(
        (settings.frontend_origins.is_none(), settings.api_keys.fixed.is_empty()),
        (true, true)
    );
    assert!(settings.jwt.secret.is_none() && settings.jwt.issuers.is_empty() && settings.jwt.audiences.is_empty());
    assert_eq!(settings.base_url(), "http://127.0.0.1:5544");
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn a_flag_counts_before_a_variable_before_the_file_before_the_default() {
    let file = "group_max = 10\nmax_image = \"1MiB\"\ndirectory = \"closed\"";
    let environment = [("DOORBELL_GROUP_MAX", "20"), ("DOORBELL_MAX_IMAGE", "2MiB")];
    let loaded = load(&sources(&[("group_max", "30")], &environment, file), Purpose::Serve).unwrap();
    assert_eq!(loaded.settings.group_max, 30);
    assert_eq!(loaded.settings.max_image, 2 << 20);
    assert_eq!(loaded.settings.directory, Directory::Closed);
    let from = |key: &str| {
        loaded
            .in_force
            .iter()
            .find(|shown| shown.key == key)
            .unwrap()
            .from
            .clone()
    };
    assert_eq!(from("group_max"), "--group-max");
    assert_eq!(from("max_image"), "DOORBELL_MAX_IMAGE");
    assert_eq!(from("directory"), "directory (in doorbell.toml)");
    assert_eq!(from("max_video"), "default");
}

#[test]
fn rates_that_are_not_named_keep_their_defaults() {
    let rates = settings(&[("DOORBELL_RATE_LIMITS", "sends=5/m, uploads = off ,requests=9/h:3")]).rates;
    let minute = Duration::from_secs(60);
    assert_eq!(rates.sends, Some(Rate::new(5, minute, 5)));
    assert_eq!(rates.uploads, None);
    assert_eq!(rates.requests, Some(Rate::new(9, 60 * minute, 3)));
    assert_eq!(rates.connections, RateLimits::default().connections);
    assert_eq!(settings(&[("DOORBELL_RATE_LIMITS", "off")]).rates, RateLimits::OFF);
    // The default that is shown is the one that holds.
    assert_eq!(
        values::rate_limits(setting("rate_limits").default).unwrap(),
        RateLimits::default()
    );
}

#[test]
fn the_demo_keeps_to_this_machine_and_to_its_own_folder() {
    let demo = |flags: &[(&str, &str)], environment: &[(&str, &str)]| {
        load(&sources(flags, environment, ""), Purpose::Demo).map(|loaded| loaded.settings)
    };
    let own = demo(
        &[],
        &[("PORT", "80"), ("DOORBELL_DATABASE_URL", "sqlite:///srv/production.db")],
    )
    .unwrap();
    assert_eq!(own.listen, listen("127.0.0.1:80").unwrap());
    assert_eq!(
        own.database,
        DatabaseUrl::Sqlite("doorbell-data/demo/doorbell.db".into())
    );
    assert_eq!(own.notes.len(), 1);
    assert!(demo(&[], &[("DATABASE_URL", "postgres://h/d")]).is_ok());
    let moved = demo(&[("data_dir", "/tmp/x")], &[]).unwrap();
    assert_eq!(moved.database, DatabaseUrl::Sqlite("/tmp/x/doorbell.db".into()));
    assert!(
        demo(&[("listen", "0.0.0.0:80")], &[])
            .unwrap_err()
            .to_string()
            .contains("this machine alone")
    );
}

#[test]
fn the_annotated_file_is_a_file_of_defaults() {
    let text = print::default_file();
    assert!(SettingsFile::parse("doorbell.toml", &text).is_ok());
    // Uncommented, every line is taken.
    let uncommented: String = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' ') && !rest.is_empty())
        })
        // There is no such file.
        .filter(|line| !line.starts_with("api_keys_file"))
        // Both need another database than the default.
        .filter(|line| !line.starts_with("redis_url"))
        // One node of several needs another database than the default.
        .filter(|line| !line.starts_with("node_url"))
        .map(|line| format!("{line}\n"))
        .collect();
    let loaded = load(
        &sources(
            &[],
            &[],
            &uncommented.replace("a long random text", "a-long-random-text"),
        ),
        Purpose::Serve,
    );
    assert_eq!(loaded.unwrap().settings.group_max, limits::GROUP_MAX);
    for setting in SETTINGS {
        assert!(text.contains(&format!("\n#{} = ", setting.key)), "{}", setting.key);
    }
}

#[test]
fn every_setting_is_read_and_shown_once() {
    let shown: Vec<&str> = load_env(&[]).unwrap().in_force.iter().map(|shown| shown.key).collect();
    let listed: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(shown, listed);
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["0s", "90s", "2m", "1h", "1d"] {
        let read = values::duration(Duration::ZERO, limits::RECOVERY_WINDOW_MAX)(text).unwrap();
        assert_eq!(duration_text(read), text);
    }
}

#[test]
fn limits_of_addresses_and_sockets_are_settings_and_can_be_off() {
    let defaults = settings(&[]);
    assert_eq!(
        (
            defaults.sockets_per_user,
            defaults.joined_conversations,
            defaults.connections_per_address
        ),
        (
            Some(limits::SOCKETS_PER_USER),
            Some(limits::JOINED_CONVERSATIONS),
            Some(limits::CONNECTIONS_PER_ADDRESS)
        )
    );
    assert_eq!(defaults.trusted_proxies.to_string(), "127.0.0.0/8,::1/128");
    let chosen = settings(&[
        ("DOORBELL_SOCKETS_PER_USER", "off"),
        ("DOORBELL_JOINED_CONVERSATIONS", "7"),
        ("DOORBELL_CONNECTIONS_PER_ADDRESS", "off"),
        ("DOORBELL_TRUSTED_PROXIES", "none"),
        ("DOORBELL_RATE_LIMITS", "handshakes=5/s:7,failures=off"),
    ]);
    assert_eq!(
        (
            chosen.sockets_per_user,
            chosen.joined_conversations,
            chosen.connections_per_address
        ),
        (None, Some(7), None)
    );
    assert_eq!(chosen.trusted_proxies, TrustedProxies::default());
    assert_eq!(chosen.rates.handshakes, Some(Rate::new(5, Duration::from_secs(1), 7)));
    assert_eq!(chosen.rates.failures, None);
    assert_eq!(chosen.rates.sends, RateLimits::default().sends);
    for (name, value) in [
        ("DOORBELL_SOCKETS_PER_USER", "0"),
        ("DOORBELL_JOINED_CONVERSATIONS", "-1"),
        ("DOORBELL_CONNECTIONS_PER_ADDRESS", "many"),
        ("DOORBELL_TRUSTED_PROXIES", "0.0.0.0/0"),
    ] {
        let fault = fault(&[(name, value)]);
        assert!(fault.starts_with(name) && fault.contains(value), "{fault}");
    }
}
