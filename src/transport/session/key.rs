//! Keys of sessions: each derived from a secret of the site by HKDF (RFC 5869), as the two packages do it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};

use super::jwe::{Encryption, Jwe};
use crate::config::NamedSecret;

/// Which package's way of making a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// NextAuth 4. Its sessions have no salt; its cookies of other kinds have their name.
    NextAuth,
    /// Auth.js 5. The salt is the cookie's name, unless the site chose another one.
    AuthJs,
}

impl Package {
    pub fn name(self) -> &'static str {
        match self {
            Package::NextAuth => "NextAuth 4",
            Package::AuthJs => "Auth.js 5",
        }
    }
}

/// A key that may decrypt a session.
pub struct Key {
    pub package: Package,
    pub encryption: Encryption,
    /// Empty for a session of NextAuth 4.
    pub salt: String,
    /// The setting that holds its secret.
    pub secret_name: String,
    bytes: Vec<u8>,
    /// As the header's `kid` names it: the key's thumbprint (RFC 7638).
    id: String,
}

impl Key {
    pub fn derive(package: Package, encryption: Encryption, secret: &NamedSecret, salt: &str) -> Self {
        let label = match package {
            Package::NextAuth => "NextAuth.js Generated Encryption Key",
            Package::AuthJs => "Auth.js Generated Encryption Key",
        };
        let info = match salt {
            "" => label.to_owned(),
            salt => format!("{label} ({salt})"),
        };
        let mut bytes = vec![0; encryption.key_bytes()];
        let derivation = Hkdf::<Sha256>::new(Some(salt.as_bytes()), secret.secret.expose().as_bytes());
        // It fails for keys of more than 8,160 bytes alone. No bytes at all are a key that opens nothing.
        if derivation.expand(info.as_bytes(), &mut bytes).is_err() {
            bytes.clear();
        }
        Key {
            package,
            encryption,
            salt: salt.to_owned(),
            secret_name: secret.name.clone(),
            id: thumbprint(&bytes),
            bytes,
        }
    }

    /// The contents, where the session was made with this key.
    pub fn open(&self, jwe: &Jwe) -> Option<Vec<u8>> {
        jwe.open(&self.bytes)
    }

    fn may_open(&self, jwe: &Jwe) -> bool {
        self.encryption == jwe.encryption && jwe.key_id.as_ref().is_none_or(|key_id| *key_id == self.id)
    }
}

/// RFC 7638, section 3.1, with the hash that the packages take: as many bits as the key has.
fn thumbprint(key: &[u8]) -> String {
    let members = format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key));
    match key.len() {
        64 => URL_SAFE_NO_PAD.encode(Sha512::digest(members)),
        _ => URL_SAFE_NO_PAD.encode(Sha256::digest(members)),
    }
}

/// All keys of the configured secrets, derived once.
#[derive(Default)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// `salts`: of Auth.js. Keys of an earlier secret are tried before those of a later one.
    pub fn new(secrets: &[NamedSecret], salts: &[String]) -> Self {
        let of_secret = |secret| {
            let next_auth = Key::derive(Package::NextAuth, Encryption::A256Gcm, secret, "");
            let auth_js = salts.iter().flat_map(move |salt| {
                [Encryption::A256CbcHs512, Encryption::A256Gcm]
                    .map(|encryption| Key::derive(Package::AuthJs, encryption, secret, salt))
            });
            std::iter::once(next_auth).chain(auth_js)
        };
        KeyRing {
            keys: secrets.iter().flat_map(of_secret).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Is one of these keys the one that the header names?
    pub fn are_named_by(&self, jwe: &Jwe) -> bool {
        jwe.key_id.is_some() && self.keys.iter().any(|key| key.may_open(jwe))
    }

    /// The contents, and the key that opened them. `salt`: of the cookie in which the session came; `None` for one that
    /// came in no cookie.
    pub fn open(&self, jwe: &Jwe, salt: Option<&str>) -> Option<(&Key, Vec<u8>)> {
        self.keys
            .iter()
            .filter(|key| key.may_open(jwe))
            .filter(|key| key.package == Package::NextAuth || salt.is_none_or(|salt| salt == key.salt))
            .find_map(|key| Some((key, key.open(jwe)?)))
    }
}
