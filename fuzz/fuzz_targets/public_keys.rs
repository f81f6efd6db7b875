//! Any bytes as the public keys of an issuer.
#![no_main]

use doorbell::{model::limits, transport::jwks::keys::PublicKeys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    if let Ok(keys) = PublicKeys::read(document) {
        assert!(keys.keys.len() + keys.passed_over.len() <= limits::JWKS_KEYS);
    }
});
