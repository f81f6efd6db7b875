//! A JSON Web Key Set (RFC 7517), as far as its keys verify tokens here. Each key has one algorithm, told by its type.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use crate::model::limits;

pub struct PublicKey {
    /// `kid`.
    pub id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

#[derive(Default)]
pub struct PublicKeys {
    pub keys: Vec<PublicKey>,
    /// Keys that are of no use here, by their place in the set, and why. Sets hold keys for other purposes as well.
    pub passed_over: Vec<(usize, &'static str)>,
}

impl PublicKeys {
    /// # Errors
    ///
    /// What is wrong with the document as a whole.
    pub fn read(document: &[u8]) -> Result<Self, &'static str> {
        let document: Value = serde_json::from_slice(document).map_err(|_| "its answer is not JSON")?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err("its answer is no set of keys");
        };
        if entries.len() > limits::JWKS_KEYS {
            return Err("its answer has too many keys");
        }
        let mut keys = PublicKeys::default();
        for (place, entry) in entries.iter().enumerate() {
            match public_key(entry) {
                Ok(key) => keys.keys.push(key),
                Err(reason) => keys.passed_over.push((place, reason)),
            }
        }
        Ok(keys)
    }
}

fn public_key(entry: &Value) -> Result<PublicKey, &'static str> {
    let entry = entry.as_object().ok_or("it is no object")?;
    // Who publishes the private half has lost it; and a shared secret that is published is none.
    if ["d", "p", "q", "k"].iter().any(|name| entry.contains_key(*name)) {
        return Err("it holds a secret");
    }
    let id = match entry.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return Err("its kid is not a text"),
    };
    if !matches!(entry.get("use"), None | Some(Value::Null)) && text(entry, "use") != Some("sig") {
        return Err("it is not for signatures");
    }
    if let Some(operations) = entry.get("key_ops").and_then(Value::as_array)
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Err("it is not for verifying");
    }
    let (algorithm, names, key) = match text(entry, "kty") {
        Some("RSA") => (Algorithm::RS256, &["RS256"][..], rsa(entry)?),
        Some("EC") if text(entry, "crv") == Some("P-256") => (Algorithm::ES256, &["ES256"][..], p256(entry)?),
        Some("OKP") if text(entry, "crv") == Some("Ed25519") => {
            // RFC 9864 gave EdDSA on this curve a second name.
            (Algorithm::EdDSA, &["EdDSA", "Ed25519"][..], ed25519(entry)?)
        }
        _ => return Err("it is of a type that is not taken here"),
    };
    match entry.get("alg") {
        None | Some(Value::Null) => {}
        Some(Value::String(own)) if names.contains(&own.as_str()) => {}
        Some(_) => return Err("it is for another algorithm"),
    }
    Ok(PublicKey { id, algorithm, key })
}

fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str)
}

fn bytes(entry: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = text(entry, name).ok_or("a part of it is missing")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of it cannot be read")
}

fn rsa(entry: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let modulus = bytes(entry, "n")?;
    let exponent = bytes(entry, "e")?;
    let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = &modulus[leading_zeros..];
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if bits < limits::RSA_BITS_MIN {
        return Err("it is too short to be safe");
    }
    if bits > limits::RSA_BITS_MAX {
        return Err("it is too long");
    }
    // With an exponent of 1 everybody could sign.
    match exponent.iter().skip_while(|byte| **byte == 0).collect::<Vec<_>>()[..] {
        [] | [1] => return Err("its exponent makes everything a signature"),
        [.., last] if last % 2 == 0 => return Err("its exponent is none"),
        _ => {}
    }
    Ok(DecodingKey::from_rsa_raw_components(modulus, &exponent))
}

fn p256(entry: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    if bytes(entry, "x")?.len() != 32 || bytes(entry, "y")?.len() != 32 {
        return Err("it is no point of its curve");
    }
    let (x, y) = (
        text(entry, "x").unwrap_or_default(),
        text(entry, "y").unwrap_or_default(),
    );
    DecodingKey::from_ec_components(x, y).map_err(|_| "it is no point of its curve")
}

fn ed25519(entry: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    if bytes(entry, "x")?.len() != 32 {
        return Err("it is no point of its curve");
    }
    DecodingKey::from_ed_components(text(entry, "x").unwrap_or_default()).map_err(|_| "it is no point of its curve")
}
