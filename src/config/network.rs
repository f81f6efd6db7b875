//! Who may name a client's address, and the certificate that clients are shown.

use std::{fmt, net::IpAddr, path::PathBuf};

use ipnet::IpNet;

use super::{
    ConfigFault, DatabaseUrl, ListenAddr, Reader, setting,
    values::{self, Wrong, list, wrong},
};
use crate::model::limits;

/// Networks of proxies that are believed what they say of a client's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// As it is read by [`trusted_proxies`].
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("none"),
            networks => {
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                f.write_str(&networks.join(","))
            }
        }
    }
}

/// `none`, or addresses and networks (`10.0.0.0/8`) with commas between them.
pub fn trusted_proxies(text: &str) -> Result<TrustedProxies, Wrong> {
    const MEND: &str = "write addresses and networks as 127.0.0.1,10.0.0.0/8,2001:db8::/32, or none";
    if text.trim() == "none" {
        return Ok(TrustedProxies::default());
    }
    let mut networks = Vec::new();
    for part in list(text) {
        let network = match part.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => match part.parse::<IpAddr>() {
                Ok(address) => IpNet::from(address.to_canonical()),
                Err(_) => return wrong(format!("holds {part:?}, which is no address and no network"), MEND),
            },
        };
        if network.prefix_len() == 0 {
            return wrong(
                format!("holds {part:?}, so that any client could name any address"),
                "name the networks of your proxies alone",
            );
        }
        networks.push(network.trunc());
    }
    match networks.len() {
        0 => wrong("names no proxy", MEND),
        1..=limits::TRUSTED_PROXIES => Ok(TrustedProxies(networks)),
        _ => wrong(format!("has more than {} networks", limits::TRUSTED_PROXIES), MEND),
    }
}

/// The files of the certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The server's certificate, and those between it and a root.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Reader<'_> {
    /// Both files or none.
    pub(super) fn tls(&mut self) -> Result<Option<TlsSettings>, ConfigFault> {
        let certificate = self.optional_found("tls_cert", values::path)?;
        let key = self.optional_found("tls_key", values::path)?;
        let alone = |name: &str, missing: &str, what: &str| {
            let missing = setting(missing).variables[0];
            ConfigFault::new(format!(
                "{name} is set, but {missing} is not; set {missing} to the file of {what}, or leave both out to serve without \
                 TLS."
            ))
        };
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some((certificate, _)), Some((key, _))) => Ok(Some(TlsSettings { certificate, key })),
            (Some((_, found)), None) => Err(alone(&found.name, "tls_key", "its private key")),
            (None, Some((_, found))) => Err(alone(&found.name, "tls_cert", "its certificate")),
        }
    }

    /// Addresses for the other nodes alone. Nodes speak no TLS among themselves, so several that have a certificate need
    /// them.
    pub(super) fn node_listen(
        &mut self,
        tls: Option<&TlsSettings>,
        database: &DatabaseUrl,
        is_one_of_several: bool,
    ) -> Result<Vec<ListenAddr>, ConfigFault> {
        let listen = self.optional("node_listen", values::listen)?.unwrap_or_default();
        if tls.is_some() && is_one_of_several && listen.is_empty() {
            return Err(ConfigFault::new(format!(
                "{} is set and this is one of several nodes on {database}, but nodes speak no TLS among themselves; set {} to \
                 an address in a network of your own, as 10.0.0.5:5545, and {} to it.",
                setting("tls_cert").variables[0],
                setting("node_listen").variables[0],
                setting("node_url").variables[0],
            )));
        }
        Ok(listen)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn proxies_are_addresses_and_networks_of_either_kind() {
        let proxies = trusted_proxies("127.0.0.1, 10.1.2.3/8 ,2001:db8::/32,::1").unwrap();
        for (address, is_held) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", true),
        ] {
            assert_eq!(proxies.holds(address.parse().unwrap()), is_held, "{address}");
        }
        assert_eq!(trusted_proxies(&proxies.to_string()), Ok(proxies));
        let nobody = trusted_proxies("none").unwrap();
        assert!(!nobody.holds(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(trusted_proxies(&nobody.to_string()), Ok(nobody));
    }

    #[test]
    fn what_would_trust_everybody_or_is_no_network_is_refused() {
        for text in [
            "",
            ",",
            "proxy.example.com",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.1:80",
            "all",
        ] {
            assert!(trusted_proxies(text).is_err(), "{text}");
        }
        let many = vec!["10.0.0.1"; limits::TRUSTED_PROXIES + 1].join(",");
        assert!(trusted_proxies(&many).is_err());
    }
}
