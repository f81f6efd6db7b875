//! Any text as the value of each setting, and as a `doorbell.toml`.
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use doorbell::{
    config::{Purpose, Sources, WebOrigin, api_keys, catalogue::SETTINGS, load, media, sources::SettingsFile, values},
    model::limits::{self, Rate, RateLimits},
};
use libfuzzer_sys::fuzz_target;

fn each_value(text: &str) {
    let day = Duration::from_secs(86_400);
    if let Ok(duration) = values::duration(Duration::ZERO, day)(text) {
        assert!(duration <= day);
        assert_eq!(
            values::duration(duration, duration)(&values::duration_text(duration)),
            Ok(duration)
        );
    }
    if let Ok(bytes) = values::upload_bytes(text) {
        assert!((1..=limits::UPLOAD_BYTES_HIGHEST).contains(&bytes));
        assert_eq!(values::upload_bytes(&bytes.to_string()), Ok(bytes));
    }
    if let Ok(RateLimits {
        sends,
        uploads,
        conversations,
        connections,
        requests,
        handshakes,
        failures,
    }) = values::rate_limits(text)
    {
        let rates = [
            sends,
            uploads,
            conversations,
            connections,
            requests,
            handshakes,
            failures,
        ];
        for Rate { count, per, burst } in rates.into_iter().flatten() {
            assert!((1..=limits::RATE_HIGHEST).contains(&count) && (1..=limits::RATE_HIGHEST).contains(&burst));
            assert!(!per.is_zero());
        }
    }
    if let Ok(origins) = values::origins(text) {
        for origin in &origins {
            assert_eq!(WebOrigin::parse(&origin.to_string()).as_ref(), Some(origin));
        }
    }
    if let Some(origin) = WebOrigin::parse(text) {
        assert_eq!(
            WebOrigin::of_page(text).as_ref(),
            Some(&origin),
            "a whole origin is the address of a page"
        );
    }
    if let Ok(addresses) = values::listen(text) {
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(values::listen(&shown.join(",")), Ok(addresses));
    }
    if let Ok(url) = values::base_url(text) {
        assert!(!url.ends_with('/') && WebOrigin::of_page(&url).is_some());
    }
    if let Ok(number) = values::whole_number(2, 9)(text) {
        assert!((2..=9).contains(&number));
    }
    if let Ok(keys) = api_keys::api_keys(text) {
        assert!(keys.iter().all(|key| !key.key.expose().is_empty()));
    }
    let _ = (
        values::port_on_all_interfaces(text),
        values::database_url(text),
        media::media_url(text),
    );
    let _ = (
        values::hosts(text),
        values::contract(text),
        values::directory(text),
        values::switch(text),
    );
    // What is shown of a URL holds no password that a URL may hold.
    for (start, shown_start) in [
        ("postgres://somebody:", "postgres://..."),
        ("mysql:somebody:", "mysql:..."),
    ] {
        let shown = values::without_credentials(&format!("{start}{text}@host/database"));
        let is_whole = shown == format!("{shown_start}@host/database");
        assert!(is_whole || shown == shown_start, "{shown:?}");
    }
}

fn load_whole(sources: &Sources) {
    for purpose in [Purpose::Serve, Purpose::Demo] {
        if let Err(fault) = load(sources, purpose) {
            assert!(fault.to_string().ends_with('.'), "{fault}");
        }
    }
}

fuzz_target!(|data: (u8, &str)| {
    let (which, text) = data;
    each_value(text);
    if let Ok(file) = SettingsFile::parse("doorbell.toml", text) {
        load_whole(&Sources {
            file: Some(file),
            ..Sources::default()
        });
    }
    let setting = &SETTINGS[usize::from(which) % SETTINGS.len()];
    let environment = BTreeMap::from([(setting.variables[0].to_owned(), text.to_owned())]);
    load_whole(&Sources {
        environment,
        ..Sources::default()
    });
});
