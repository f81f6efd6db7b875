//! A session's JWE (RFC 7516, compact serialization): its parts and header, and what a key makes of it.
//!
//! Stricter than the packages themselves. Theirs take several algorithms, compressed contents (512 characters that become
//! 200 kB) and more; here it is `alg` "dir" with the two encryptions that the packages write, and no extension.

use aes::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha512;

use super::super::claim::ObjectWithoutRepeats;
use crate::model::limits;

/// How the contents are encrypted (RFC 7518, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encryption {
    A256Gcm,
    A256CbcHs512,
}

impl Encryption {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "A256GCM" => Some(Encryption::A256Gcm),
            "A256CBC-HS512" => Some(Encryption::A256CbcHs512),
            _ => None,
        }
    }

    /// Bytes of key, initialization vector and tag.
    fn lengths(self) -> (usize, usize, usize) {
        match self {
            Encryption::A256Gcm => (32, 12, 16),
            Encryption::A256CbcHs512 => (64, 16, 32),
        }
    }

    pub fn key_bytes(self) -> usize {
        self.lengths().0
    }
}

/// Why a text is not a JWE that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JweFault {
    TooLong,
    Parts,
    Header,
    Algorithm,
    Encryption,
    Compressed,
    Extension,
    Lengths,
}

impl JweFault {
    /// Ends the sentence "The token is not valid: ...".
    pub fn reason(self) -> &'static str {
        match self {
            JweFault::TooLong => "it is too long",
            JweFault::Parts => "its parts cannot be read",
            JweFault::Header => "its header cannot be read",
            JweFault::Algorithm => "its alg is not dir",
            JweFault::Encryption => "its enc is neither A256GCM nor A256CBC-HS512",
            JweFault::Compressed => "its contents are compressed",
            JweFault::Extension => "it asks for an extension",
            JweFault::Lengths => "one of its parts has a wrong length",
        }
    }
}

/// Does the text have the form of such a JWE: five parts, the second empty? A JWT has three.
pub fn is_jwe(text: &str) -> bool {
    let mut parts = text.split('.');
    let second = parts.by_ref().nth(1);
    second == Some("") && parts.count() == 3
}

/// A JWE whose header is one that is read here. Nothing of it is known to be true.
pub struct Jwe<'a> {
    pub encryption: Encryption,
    /// Which key the header names. It narrows the choice among ours, and is no more than a hint.
    pub key_id: Option<String>,
    /// The header as it was sent: the tag covers it.
    protected: &'a str,
    nonce: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'a> Jwe<'a> {
    pub fn parse(text: &'a str) -> Result<Self, JweFault> {
        if text.len() > limits::SESSION_BYTES {
            return Err(JweFault::TooLong);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [protected, "", nonce, ciphertext, tag] = parts[..] else {
            return Err(JweFault::Parts);
        };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JweFault::Parts);
        let header: ObjectWithoutRepeats = serde_json::from_slice(&bytes(protected)?).map_err(|_| JweFault::Header)?;
        let member = |name: &str| header.0.get(name).and_then(|value| value.as_str());
        if member("alg") != Some("dir") {
            return Err(JweFault::Algorithm);
        }
        let encryption = member("enc").and_then(Encryption::parse).ok_or(JweFault::Encryption)?;
        if header.0.contains_key("zip") {
            return Err(JweFault::Compressed);
        }
        if header.0.contains_key("crit") {
            return Err(JweFault::Extension);
        }
        let key_id = match header.0.get("kid") {
            None => None,
            Some(serde_json::Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(JweFault::Header),
        };
        let (nonce, ciphertext, tag) = (bytes(nonce)?, bytes(ciphertext)?, bytes(tag)?);
        let (_, nonce_bytes, tag_bytes) = encryption.lengths();
        if nonce.len() != nonce_bytes || tag.len() != tag_bytes {
            return Err(JweFault::Lengths);
        }
        Ok(Jwe {
            encryption,
            key_id,
            protected,
            nonce,
            ciphertext,
            tag,
        })
    }

    /// The contents; `None` where this is not the key, or a byte was changed. The tag is compared in constant time, and
    /// before anything is decrypted.
    pub fn open(&self, key: &[u8]) -> Option<Vec<u8>> {
        if key.len() != self.encryption.key_bytes() {
            return None;
        }
        match self.encryption {
            Encryption::A256Gcm => self.open_gcm(key),
            Encryption::A256CbcHs512 => self.open_cbc(key),
        }
    }

    fn open_gcm(&self, key: &[u8]) -> Option<Vec<u8>> {
        let cipher = Aes256Gcm::new_from_slice(key).ok()?;
        let nonce = Nonce::try_from(self.nonce.as_slice()).ok()?;
        let message = [self.ciphertext.as_slice(), &self.tag].concat();
        let payload = Payload {
            msg: &message,
            aad: self.protected.as_bytes(),
        };
        cipher.decrypt(&nonce, payload).ok()
    }

    /// RFC 7518, section 5.2.2.2: the first half of the key authenticates, the second half encrypts.
    fn open_cbc(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (authentication_key, encryption_key) = key.split_at_checked(32)?;
        let associated_bits = 8 * self.protected.len() as u64;
        let mut mac = Hmac::<Sha512>::new_from_slice(authentication_key).ok()?;
        mac.update(self.protected.as_bytes());
        mac.update(&self.nonce);
        mac.update(&self.ciphertext);
        mac.update(&associated_bits.to_be_bytes());
        // `parse` has made sure that the tag is 32 bytes long: a shorter one would prove less.
        mac.verify_truncated_left(&self.tag).ok()?;
        let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(encryption_key, &self.nonce).ok()?;
        let mut contents = self.ciphertext.clone();
        let length = cipher.decrypt_padded::<Pkcs7>(&mut contents).ok()?.len();
        contents.truncate(length);
        Some(contents)
    }
}
