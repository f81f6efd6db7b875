//! Sessions for the tests that no package would make: any header, any contents, any key.

use aes::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use super::{Sessions, vectors};
use crate::config::{NamedSecret, Secret, SessionSettings};

pub const NOW_MS: i64 = vectors::MADE_AT_MS + 60_000;
pub const NOW: i64 = NOW_MS / 1000;

pub fn named(name: &str, secret: &str) -> NamedSecret {
    NamedSecret {
        name: name.to_owned(),
        secret: Secret::new(secret),
    }
}

/// The settings of a site whose secret is that of the vectors.
pub fn settings() -> SessionSettings {
    SessionSettings {
        secrets: vec![named("AUTH_SECRET", vectors::SECRET)],
        site: None,
        cookie_names: Vec::new(),
        salt: None,
        user_id: "sub".to_owned(),
    }
}

pub fn sessions() -> Sessions {
    Sessions::new(settings()).unwrap()
}

/// By which rules a key is made and used; the packages' own, or others.
#[derive(Clone, Copy)]
pub struct Recipe<'a> {
    pub secret: &'a str,
    pub salt: &'a str,
    pub info: &'a str,
    pub enc: &'a str,
}

pub const NEXT_AUTH: Recipe = Recipe {
    secret: vectors::SECRET,
    salt: "",
    info: "NextAuth.js Generated Encryption Key",
    enc: "A256GCM",
};

pub const AUTH_JS: Recipe = Recipe {
    secret: vectors::SECRET,
    salt: "authjs.session-token",
    info: "Auth.js Generated Encryption Key (authjs.session-token)",
    enc: "A256CBC-HS512",
};

pub const AUTH_JS_GCM: Recipe = Recipe {
    enc: "A256GCM",
    ..AUTH_JS
};

pub fn person() -> Value {
    json!({ "sub": "user-17", "name": "Ann", "iat": NOW - 60, "exp": NOW + 3_600 })
}

impl Recipe<'_> {
    pub fn header(&self) -> Value {
        json!({ "alg": "dir", "enc": self.enc })
    }

    /// A session as the package would make it.
    pub fn session(&self, claims: &Value) -> String {
        self.sealed(&self.header().to_string(), claims.to_string().as_bytes())
    }

    /// Whatever the header says, the contents are encrypted by the recipe.
    pub fn sealed(&self, header: &str, contents: &[u8]) -> String {
        let protected = URL_SAFE_NO_PAD.encode(header);
        let is_gcm = self.enc == "A256GCM";
        let mut key = vec![0; if is_gcm { 32 } else { 64 }];
        hkdf::Hkdf::<Sha256>::new(Some(self.salt.as_bytes()), self.secret.as_bytes())
            .expand(self.info.as_bytes(), &mut key)
            .unwrap();
        let (nonce, ciphertext, tag) = match is_gcm {
            true => gcm(&key, &protected, contents),
            false => cbc_hs512(&key, &protected, contents),
        };
        let parts = [nonce, ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{protected}..{}", parts.join("."))
    }
}

type Sealed = (Vec<u8>, Vec<u8>, Vec<u8>);

fn gcm(key: &[u8], protected: &str, contents: &[u8]) -> Sealed {
    let nonce = vec![7; 12];
    let payload = Payload {
        msg: contents,
        aad: protected.as_bytes(),
    };
    let mut ciphertext = Aes256Gcm::new_from_slice(key)
        .unwrap()
        .encrypt(&Nonce::try_from(nonce.as_slice()).unwrap(), payload)
        .unwrap();
    let tag = ciphertext.split_off(ciphertext.len() - 16);
    (nonce, ciphertext, tag)
}

fn cbc_hs512(key: &[u8], protected: &str, contents: &[u8]) -> Sealed {
    let nonce = vec![7; 16];
    let mut ciphertext = contents.to_vec();
    ciphertext.resize(contents.len() + 16, 0);
    let length = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key[32..], &nonce)
        .unwrap()
        .encrypt_padded::<Pkcs7>(&mut ciphertext, contents.len())
        .unwrap()
        .len();
    ciphertext.truncate(length);
    let mut mac = <Hmac<Sha512> as hmac::KeyInit>::new_from_slice(&key[..32]).unwrap();
    mac.update(protected.as_bytes());
    mac.update(&nonce);
    mac.update(&ciphertext);
    mac.update(&(8 * protected.len() as u64).to_be_bytes());
    let tag = mac.finalize().into_bytes()[..32].to_vec();
    (nonce, ciphertext, tag)
}
