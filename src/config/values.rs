//! From the text of a setting to its value: one function a form.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::model::{
    ContractName,
    limits::{self, Rate, RateLimits},
};

use super::Secret;

/// What is wrong with a value, and how to mend it: "... is "x", which {why}; {mend}."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub why: String,
    pub mend: String,
}

pub(super) fn wrong<T>(why: impl Into<String>, mend: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong {
        why: why.into(),
        mend: mend.into(),
    })
}

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenAddr {
    Exactly(SocketAddr),
    /// As Node listens on a port alone: IPv6 and IPv4 by one socket where the machine can, else IPv4.
    AllInterfaces(u16),
}

impl ListenAddr {
    pub fn is_loopback(self) -> bool {
        matches!(self, ListenAddr::Exactly(address) if address.ip().is_loopback())
    }

    /// A URL under which this machine reaches it, by `http` or `https`.
    pub fn url(self, scheme: &str) -> String {
        match self {
            ListenAddr::Exactly(address) if !address.ip().is_unspecified() => format!("{scheme}://{address}"),
            ListenAddr::Exactly(address) => format!("{scheme}://localhost:{}", address.port()),
            ListenAddr::AllInterfaces(port) => format!("{scheme}://localhost:{port}"),
        }
    }

    fn port(self) -> u16 {
        match self {
            ListenAddr::Exactly(address) => address.port(),
            ListenAddr::AllInterfaces(port) => port,
        }
    }
}

/// As it may be written for `listen`.
impl std::fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenAddr::Exactly(address) => address.fmt(f),
            ListenAddr::AllInterfaces(port) => write!(f, "*:{port}"),
        }
    }
}

/// `127.0.0.1:5544`, `[::1]:5544`, `localhost:5544`, `*:5544`, several with commas.
pub fn listen(text: &str) -> Result<Vec<ListenAddr>, Wrong> {
    let mut addresses = Vec::new();
    for part in list(text) {
        let address = if let Some(port) = part.strip_prefix("*:") {
            port.parse().ok().map(ListenAddr::AllInterfaces)
        } else if let Some(port) = part.strip_prefix("localhost:") {
            port.parse()
                .ok()
                .map(|port| ListenAddr::Exactly((Ipv4Addr::LOCALHOST, port).into()))
        } else {
            part.parse().ok().map(ListenAddr::Exactly)
        };
        let Some(address) = address else {
            return wrong(
                "is not an address with a port",
                "write 127.0.0.1:5544, [::1]:5544 or, for all interfaces, *:5544",
            );
        };
        if addresses.contains(&address) && address.port() != 0 {
            return wrong("names an address twice", "name each once");
        }
        addresses.push(address);
    }
    if addresses.is_empty() {
        return wrong(
            "names no address",
            "write one as 127.0.0.1:5544, or leave the setting out",
        );
    }
    Ok(addresses)
}

/// `SOCKET_PORT` and `PORT`.
pub fn port_on_all_interfaces(text: &str) -> Result<Vec<ListenAddr>, Wrong> {
    match text.trim().parse() {
        Ok(port) => Ok(vec![ListenAddr::AllInterfaces(port)]),
        Err(_) => wrong(
            "is not a port",
            "write a number from 1 to 65535, or unset it and use DOORBELL_LISTEN",
        ),
    }
}

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    /// The whole URL, which may hold a password.
    Postgres(Secret),
}

impl std::fmt::Display for DatabaseUrl {
    /// As a URL, without user and password, and without another product's parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(url) => {
                let url = url.expose().split(['?', '#']).next().unwrap_or_default();
                f.write_str(&without_credentials(url))
            }
        }
    }
}

/// What a database URL turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseScheme {
    Ours(DatabaseUrl),
    /// Of a database that this product does not use. Holds the scheme, which is no secret.
    Foreign(String),
}

/// May this be shown to whoever wrote it wrongly? An address may hold a password before its host, and a key behind it.
pub fn is_shown(text: &str) -> bool {
    let has_parameters = text.contains("://") && text.contains('?');
    !text.contains('@') && !has_parameters
}

/// Addresses, with commas between them, as they may be shown where none holds a password: what stands behind `?` may be a
/// key. Other text is itself.
pub fn without_parameters(text: &str) -> String {
    let shown = |part: &str| match part.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?..."),
        _ => part.to_owned(),
    };
    text.trim().split(',').map(shown).collect::<Vec<_>>().join(",")
}

/// What is wrong with a part of this text, which is shown where the text may be.
fn holds(text: &str, part: &str, what: &str) -> String {
    match is_shown(text) {
        true => format!("holds {part:?}, which is {what}"),
        false => format!("holds something that is {what}"),
    }
}

/// A URL as it may be shown: what stands before `@` may be a password.
pub fn without_credentials(url: &str) -> String {
    if !url.contains('@') {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once(':') else {
        return "...".to_owned();
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return format!("{scheme}:...");
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rfind('@') {
        // A password may hold a slash that nobody encoded: then nothing can be told apart, and nothing is shown.
        Some(at) if !path.contains('@') => format!("{scheme}://...{}", &rest[at..]),
        _ => format!("{scheme}://..."),
    }
}

/// `sqlite://path`, where parameters after `?` are another product's and ignored, or `postgres://host/database`, where
/// the store itself picks those that it knows.
pub fn database_url(text: &str) -> Result<DatabaseScheme, Wrong> {
    const MEND: &str = "write sqlite://doorbell-data/doorbell.db (relative), sqlite:///var/lib/doorbell.db (absolute) or \
         postgres://user:password@host:5432/database";
    let Some((scheme, rest)) = text.trim().split_once(':') else {
        return wrong("is not a database URL", MEND);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "sqlite" | "sqlite3" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = path.split(['?', '#']).next().unwrap_or_default();
            if path == ":memory:" || rest == ":memory:" {
                return wrong("forgets everything at the end", MEND);
            }
            if path.is_empty() || path.ends_with('/') {
                return wrong("names no file", MEND);
            }
            Ok(DatabaseScheme::Ours(DatabaseUrl::Sqlite(path.into())))
        }
        "postgres" | "postgresql" => {
            let host = rest.strip_prefix("//").unwrap_or_default();
            if host.is_empty() || host.starts_with('/') {
                return wrong(
                    "names no PostgreSQL server",
                    "write postgres://user:password@host:5432/database",
                );
            }
            Ok(DatabaseScheme::Ours(DatabaseUrl::Postgres(Secret::new(text.trim()))))
        }
        scheme => Ok(DatabaseScheme::Foreign(scheme.to_owned())),
    }
}

/// `redis://` or `rediss://` with a host. Whether it is right in every part shows when it is used.
pub fn redis_url(text: &str) -> Result<Secret, Wrong> {
    const MEND: &str = "write redis://user:password@host:6379, or rediss:// for TLS";
    let Some((scheme, rest)) = text.trim().split_once("://") else {
        return wrong("is not the URL of a Redis server", MEND);
    };
    if !matches!(
        scheme.to_ascii_lowercase().as_str(),
        "redis" | "rediss" | "valkey" | "valkeys"
    ) {
        return wrong("is not the URL of a Redis server", MEND);
    }
    let host = rest.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(['/', ':', '?', '#']) {
        return wrong("names no host", MEND);
    }
    if rest.contains('#') {
        return wrong("has a part behind #, which means nothing here", MEND);
    }
    Ok(Secret::new(text.trim()))
}

/// What channels of the bus begin with: 1 to 64 visible characters of ASCII.
pub fn redis_prefix(text: &str) -> Result<String, Wrong> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.len() {
        1..=64 if is_visible => Ok(text.to_owned()),
        _ => wrong(
            "is not 1 to 64 visible characters out of ASCII",
            "write a name with a colon behind it, as doorbell:",
        ),
    }
}

/// Scheme, host and port of a page, as browsers send them in `Origin` (RFC 6454): lower case, no default port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebOrigin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl WebOrigin {
    /// A whole origin and nothing else, but for a slash at its end. `None` for everything else, `null` included.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            // The colon of `[::1]` stands before its bracket and separates no port.
            Some((host, port)) if !port.ends_with(']') => {
                let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
                (host, Some(port.parse().ok().filter(|_| is_number)?))
            }
            _ => (authority.as_str(), None),
        };
        let is_ip6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match is_ip6 {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
        };
        if !is_scheme || !is_host {
            return None;
        }
        let is_default = matches!((scheme.as_str(), port), ("http", Some(80)) | ("https", Some(443)));
        let host = match is_ip6.and_then(|address| address.parse::<std::net::Ipv6Addr>().ok()) {
            Some(address) => format!("[{address}]"),
            None => host.to_owned(),
        };
        Some(WebOrigin {
            scheme,
            host,
            port: port.filter(|_| !is_default),
        })
    }

    /// The origin of a page's address, as `Referer` has it.
    pub fn of_page(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        Self::parse(&format!("{scheme}://{authority}"))
    }

    /// A page from this very machine: `localhost`, 127.0.0.0/8, `[::1]`, over http or https, on any port.
    pub fn is_loopback(&self) -> bool {
        let address = self
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        matches!(self.scheme.as_str(), "http" | "https")
            && (self.host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
    }

    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }
}

impl std::fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// `FRONTEND_URL`: addresses of pages, of which the origin counts.
pub fn origins(text: &str) -> Result<Vec<WebOrigin>, Wrong> {
    const MEND: &str = "write https://www.example.com, several with commas between them";
    let mut origins = Vec::new();
    for part in list(text) {
        if part == "*" {
            return wrong("would let every page on the web read its visitors' messages", MEND);
        }
        let Some(origin) = WebOrigin::of_page(part) else {
            return wrong(holds(text, part, "not the address of a page"), MEND);
        };
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    if origins.is_empty() {
        return wrong(
            "names no origin",
            "write https://www.example.com, or leave the setting out",
        );
    }
    Ok(origins)
}

/// An `http:` or `https:` URL to put paths behind: no slash at its end, no parameters.
pub fn base_url(text: &str) -> Result<String, Wrong> {
    let text = text.trim().trim_end_matches('/');
    let is_web = matches!(text.split_once("://"), Some(("http" | "https", _)));
    if !is_web || text.contains(['?', '#', ' ', '@']) || WebOrigin::of_page(text).is_none() {
        return wrong("is not the address of a server", "write https://chat.example.com");
    }
    Ok(text.to_owned())
}

/// `http://host:port` and nothing behind it: where one node reaches another.
pub fn node_url(text: &str) -> Result<String, Wrong> {
    const MEND: &str = "write http://10.0.0.5:5544, with the port on which this node listens";
    let text = text.trim().trim_end_matches('/');
    let authority = match text.split_once("://") {
        Some(("http", authority)) => authority,
        Some(("https", _)) => return wrong("asks for TLS, which nodes do not speak among themselves", MEND),
        _ => return wrong("is not the address of a node", MEND),
    };
    let is_port = |port: &str| port.parse().is_ok_and(|port: u16| port > 0);
    let Some((host, _)) = authority.rsplit_once(':').filter(|(_, port)| is_port(port)) else {
        return wrong("names no port", MEND);
    };
    if authority.contains(['/', '?', '#', '@']) || WebOrigin::parse(text).is_none() {
        return wrong("is not the address of a node", MEND);
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if address.is_ok_and(|address| address.is_unspecified()) {
        return wrong("is every address of a machine, and none that others could reach", MEND);
    }
    Ok(text.to_owned())
}

/// `90s`, `2m`, `1h`, `1d`, from `lowest` to `highest`.
pub fn duration(lowest: Duration, highest: Duration) -> impl Fn(&str) -> Result<Duration, Wrong> {
    move |text| {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let seconds = match &text[digits..] {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return wrong("is not a duration", "write a number and its unit, as 90s, 2m, 1h or 1d"),
        };
        let Some(value) = text[..digits]
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(seconds))
        else {
            return wrong("is not a duration", "write a number and its unit, as 90s, 2m, 1h or 1d");
        };
        let value = Duration::from_secs(value);
        if (lowest..=highest).contains(&value) {
            Ok(value)
        } else {
            let (lowest, highest) = (duration_text(lowest), duration_text(highest));
            wrong(
                "is out of range",
                format!("write a duration from {lowest} to {highest}"),
            )
        }
    }
}

/// As [`duration`] reads it.
pub fn duration_text(duration: Duration) -> String {
    match duration.as_secs() {
        0 => "0s".into(),
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// `10MiB`, `500KB`, `1048576`: from 1 byte to the largest upload that the product allows.
pub fn upload_bytes(text: &str) -> Result<u64, Wrong> {
    bytes(
        text,
        limits::UPLOAD_BYTES_HIGHEST,
        "write a size from 1B to 10GiB, as 10MiB",
    )
}

/// `off`, or a size: more than any disk holds is meant to be off.
pub fn quota(text: &str) -> Result<Option<u64>, Wrong> {
    const MEND: &str = "write off, or a size from 1B to 1000000GiB, as 5GiB";
    match text.trim() {
        "off" => Ok(None),
        size => bytes(size, 1_000_000 << 30, MEND).map(Some),
    }
}

/// A size from 1 byte to `highest`.
fn bytes(text: &str, highest: u64, mend: &'static str) -> Result<u64, Wrong> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return wrong("is not a size", mend),
    };
    match text[..digits]
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
    {
        Some(bytes) if (1..=highest).contains(&bytes) => Ok(bytes),
        Some(_) => wrong("is out of range", mend),
        None => wrong("is not a size", mend),
    }
}

/// A whole number from `lowest` to `highest`.
pub fn whole_number(lowest: usize, highest: usize) -> impl Fn(&str) -> Result<usize, Wrong> {
    move |text| match text.trim().parse() {
        Ok(number) if (lowest..=highest).contains(&number) => Ok(number),
        Ok(_) => wrong(
            "is out of range",
            format!("write a whole number from {lowest} to {highest}"),
        ),
        Err(_) => wrong("is not a whole number", format!("write one from {lowest} to {highest}")),
    }
}

/// A whole number that bounds how many there may be at once, or `off`.
pub fn most(text: &str) -> Result<Option<usize>, Wrong> {
    match text.trim() {
        "off" => Ok(None),
        text => whole_number(1, limits::COUNT_HIGHEST)(text)
            .map(Some)
            .map_err(|wrong| Wrong {
                mend: format!("{}, or off for as many as come", wrong.mend),
                ..wrong
            }),
    }
}

/// `on` or `off`.
pub fn switch(text: &str) -> Result<bool, Wrong> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => wrong("is neither on nor off", "write on or off"),
    }
}

/// Does the directory take ids that the host application has not put there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    Open,
    Closed,
}

pub fn directory(text: &str) -> Result<Directory, Wrong> {
    match text.trim() {
        "open" => Ok(Directory::Open),
        "closed" => Ok(Directory::Closed),
        _ => wrong("is neither open nor closed", "write open or closed"),
    }
}

pub fn contract(text: &str) -> Result<ContractName, Wrong> {
    let names = ContractName::ALL.map(ContractName::as_str).join(", ");
    ContractName::parse(text.trim()).ok_or(Wrong {
        why: "is not the name of a contract".into(),
        mend: format!("write one of {names}"),
    })
}

/// Host names without scheme, port or path.
pub fn hosts(text: &str) -> Result<Vec<String>, Wrong> {
    let mut hosts = Vec::new();
    for part in list(text) {
        let host = part.to_ascii_lowercase();
        let is_host =
            host.contains(|c: char| c != '.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        if !is_host {
            return wrong(
                holds(text, part, "not a host"),
                "write names alone, as images.example.com",
            );
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// `off`, or a list as `sends=20/s:60,uploads=off`; what it does not name keeps its default.
pub fn rate_limits(text: &str) -> Result<RateLimits, Wrong> {
    const MEND: &str = "write off, or a list as sends=20/s:60,uploads=30/m,conversations=60/h,connections=10/s:50,requests=50/s:200,\
         handshakes=50/s:1000,failures=60/m:100";
    if text.trim() == "off" {
        return Ok(RateLimits::OFF);
    }
    let mut rates = RateLimits::default();
    let mut named = Vec::new();
    for part in list(text) {
        let Some((kind, rate)) = part.split_once('=').map(|(kind, rate)| (kind.trim(), rate.trim())) else {
            return wrong(format!("holds {part:?}, which is not a rate"), MEND);
        };
        let place = match kind {
            "sends" => &mut rates.sends,
            "uploads" => &mut rates.uploads,
            "conversations" => &mut rates.conversations,
            "connections" => &mut rates.connections,
            "requests" => &mut rates.requests,
            "handshakes" => &mut rates.handshakes,
            "failures" => &mut rates.failures,
            _ => return wrong(format!("names {kind:?}, which is not a kind of rate"), MEND),
        };
        if named.contains(&kind) {
            return wrong(format!("names {kind} twice"), "name each kind once");
        }
        named.push(kind);
        *place = match rate {
            "off" => None,
            rate => match one_rate(rate) {
                Some(rate) => Some(rate),
                None => return wrong(format!("holds {part:?}, which is not a rate"), MEND),
            },
        };
    }
    Ok(rates)
}

fn one_rate(text: &str) -> Option<Rate> {
    let (rate, burst) = text
        .split_once(':')
        .map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let (count, unit) = rate.split_once('/')?;
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .ok()
            .filter(|n| (1..=limits::RATE_HIGHEST).contains(n))
    };
    let count = number(count)?;
    let per = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return None,
    };
    Some(Rate::new(count, per, burst.map_or(Some(count), number)?))
}

/// One secret. It is taken as it stands, blanks at its ends included: other programs do so, too.
pub fn secret(text: &str) -> Result<Secret, Wrong> {
    if text.trim().is_empty() {
        return wrong("is blank", "give a long random text, as openssl rand -hex 32 makes it");
    }
    Ok(Secret::new(text))
}

pub fn path(text: &str) -> Result<PathBuf, Wrong> {
    Ok(text.into())
}

/// What stands between commas, trimmed, without what is empty.
pub(super) fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}
