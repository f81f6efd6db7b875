//! Which rule takes or refuses a signed token.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{
    super::{
        claim::{EXP_IN_MILLISECONDS, issued_at_ms, judge_times},
        explain::Explanation,
    },
    TokenFault, TokenVerifier, Unverified, issuer, names_audience, user_id,
};
use crate::{
    config::NamedSecret,
    model::{Timestamp, limits},
};

impl TokenVerifier {
    /// Adds one step for each rule, up to the one that refuses. `of_site`: secrets that may have signed it, and verify
    /// nothing here.
    pub async fn explain(&self, token: &str, of_site: &[NamedSecret], told: &mut Explanation, now_ms: i64) {
        let unverified = match Unverified::read(token) {
            Ok(unverified) => unverified,
            Err(fault) => return told.refused("form", format!("{fault} {}", mend_form(&fault))),
        };
        let algorithm = format!("{:?}", unverified.algorithm);
        let key_id = match &unverified.key_id {
            Some(id) => format!("names the key {:?}", shown(id)),
            None => "names no key".to_owned(),
        };
        told.passed("form", format!("It is a JWT that says {algorithm} and {key_id}."));
        let claims = match unverified.claims() {
            Ok(claims) => claims,
            Err(fault) => {
                let mend = "its payload must be one JSON object in which no name stands twice.";
                return told.refused("claims", format!("{fault} Look at what signs it: {mend}"));
            }
        };
        if !self.explain_key(&unverified, &claims, of_site, told).await {
            return;
        }
        if !self.explain_times(&claims, told, now_ms) || !self.explain_party(&claims, told) {
            return;
        }
        match (user_id(&claims), issued_at_ms(&claims, now_ms)) {
            (Ok(id), Ok(issued_at_ms)) => {
                told.passed("user", format!("It is {id}."));
                told.passed("issued", issued(issued_at_ms, now_ms));
                told.claims = self.judge(&claims, now_ms).ok();
            }
            (Err(fault), _) => {
                let present: Vec<&str> = claims.keys().map(String::as_str).collect();
                let present = shown(&present.join(", "));
                told.refused(
                    "user",
                    format!(
                        "{fault} It has {present}; set sub (or userId, or id) to an id of 1 to 128 characters out of A-Z a-z 0-9 \
                         _ . : @ -."
                    ),
                );
            }
            (_, Err(fault)) => {
                told.refused(
                    "issued",
                    format!("{fault} Set iat to whole seconds since 1970, or leave it out."),
                );
            }
        }
    }

    async fn explain_key(
        &self,
        token: &Unverified<'_>,
        claims: &Map<String, Value>,
        of_site: &[NamedSecret],
        told: &mut Explanation,
    ) -> bool {
        if token.algorithm == Algorithm::HS256 {
            match self.check_secrets(token) {
                Ok(()) if self.judge_issuer_of_secret(claims).is_err() => told.refused(
                    "key",
                    "The shared secret signed it, in the name of an issuer whose keys DOORBELL_JWKS_URL names; sign it in the name \
                     of the issuer that stands behind theirs in DOORBELL_JWT_ISSUER.",
                ),
                Ok(()) => told.passed("key", "The shared secret (DOORBELL_JWT_SECRET, or the one kept in the database) signed it."),
                Err(fault) => {
                    let signed = |named: &&NamedSecret| {
                        token.is_signed_with(&DecodingKey::from_secret(named.secret.expose().as_bytes()))
                    };
                    if let Some(NamedSecret { name, .. }) = of_site.iter().find(signed) {
                        told.refused(
                            "key",
                            format!(
                                "{fault} {name} signed it, which decrypts sessions here and verifies no token; show the session \
                                 itself, or let DOORBELL_JWT_SECRET be the secret with which the site signs."
                            ),
                        );
                        return false;
                    }
                    told.refused(
                    "key",
                    format!(
                        "{fault} Sign it with the text of DOORBELL_JWT_SECRET as it stands (quotation marks and blanks count; it is \
                         not decoded from base64), and copy all of the token."
                    ),
                )
                }
            }
            return told.is_taken();
        }
        let named = issuer(claims);
        let sets: Vec<_> = self.sets_of(named).collect();
        for set in &sets {
            match set.find(token).await {
                Ok((place, _)) => {
                    told.passed("key", format!("Key number {} of {} signed it.", place + 1, set.url()));
                    return true;
                }
                Err(fault) => {
                    let mend = match fault {
                        TokenFault::Unavailable(_) => "ask for that address from this machine, and see what comes",
                        _ => "compare its kid and alg with the keys there, and see that the token is whole",
                    };
                    told.refused("key", format!("By {}: {fault} Mend: {mend}.", set.url()));
                }
            }
        }
        if sets.is_empty() {
            let named = named.map_or("none".to_owned(), |named| format!("{:?}", shown(named)));
            told.refused(
                "key",
                match self.key_sets.is_empty() {
                    true => "It is signed with a public key; set DOORBELL_JWKS_URL to where its issuer publishes them.".to_owned(),
                    false => format!(
                        "Its issuer is {named}, of whom no keys are configured; name it in DOORBELL_JWT_ISSUER at the place of its \
                         DOORBELL_JWKS_URL."
                    ),
                },
            );
        }
        false
    }

    fn explain_times(&self, claims: &Map<String, Value>, told: &mut Explanation, now_ms: i64) -> bool {
        match judge_times(claims, limits::TOKEN_LEEWAY, now_ms) {
            Ok(ends_at_ms) if ends_at_ms <= now_ms => {
                told.passed(
                    "end",
                    format!(
                        "It ended {}: requests take it for {} s after its end, since clocks differ, and a socket does not; get a \
                         new one.",
                        from_now(ends_at_ms, now_ms),
                        limits::TOKEN_LEEWAY.as_secs()
                    ),
                );
                return true;
            }
            Ok(ends_at_ms) => {
                told.passed("end", format!("It ends at {}, {}.", Timestamp(ends_at_ms), from_now(ends_at_ms, now_ms)));
                return true;
            }
            Err(TokenFault::Expired) => {
                let ended = claims.get("exp").and_then(Value::as_f64).unwrap_or_default() * 1000.0;
                told.refused(
                    "end",
                    format!(
                        "It ended {}; get a new one, and if it was made just now, compare the clocks of both machines.",
                        from_now(ended as i64, now_ms)
                    ),
                );
            }
            Err(fault @ TokenFault::Invalid(EXP_IN_MILLISECONDS)) => told.refused(
                "end",
                format!("{fault} In JavaScript: Math.floor(Date.now() / 1000) + 900."),
            ),
            Err(fault) => told.refused(
                "end",
                format!("{fault} exp (required) and nbf are numbers: seconds since 1970. Compare the clocks of both machines."),
            ),
        }
        false
    }

    fn explain_party(&self, claims: &Map<String, Value>, told: &mut Explanation) -> bool {
        let named = issuer(claims).map_or("no issuer".to_owned(), |named| format!("the issuer {:?}", shown(named)));
        match self.judge_issuer(claims) {
            Ok(()) if self.issuers.is_empty() => told.passed("issuer", format!("It has {named}; any will do.")),
            Ok(()) => told.passed("issuer", format!("It has {named}, which DOORBELL_JWT_ISSUER names.")),
            Err(fault) => {
                let wanted = self.issuers.join(", ");
                told.refused(
                    "issuer",
                    format!("{fault} It has {named}; DOORBELL_JWT_ISSUER wants {wanted}, to the letter."),
                );
                return false;
            }
        }
        match self.judge_audience(claims) {
            Ok(()) if self.audiences.is_empty() => told.passed("audience", "Any audience will do."),
            Ok(()) => {
                let named = self
                    .audiences
                    .iter()
                    .find(|audience| names_audience(claims.get("aud"), audience));
                let named = named.map(String::as_str).unwrap_or_default();
                told.passed(
                    "audience",
                    format!("It is for {named}, which DOORBELL_JWT_AUDIENCE names."),
                );
            }
            Err(fault) => {
                let wanted = self.audiences.join(", ");
                told.refused(
                    "audience",
                    format!("{fault} Its aud must hold one of DOORBELL_JWT_AUDIENCE: {wanted}."),
                );
                return false;
            }
        }
        true
    }
}

fn issued(issued_at_ms: Option<i64>, now_ms: i64) -> String {
    match issued_at_ms {
        Some(at) => format!("It was issued {}.", from_now(at, now_ms)),
        None => {
            "It does not say when it was issued (iat), so it is refused for good once its user's sessions were ended."
                .to_owned()
        }
    }
}

fn mend_form(fault: &TokenFault) -> &'static str {
    match fault {
        TokenFault::Invalid("it is too long") => "Put less into its claims.",
        TokenFault::Invalid("it asks for an extension") => "Leave crit out of its header.",
        TokenFault::Invalid("its kid is not a text") => "Let kid be a text, or leave it out.",
        _ => "Copy all of it: three parts of base64url with dots between them, and an alg in its header.",
    }
}

/// `in 2h 5m`, `3m 2s ago`.
fn from_now(at_ms: i64, now_ms: i64) -> String {
    let seconds = at_ms.saturating_sub(now_ms).unsigned_abs() / 1000;
    let units = [
        ("d", seconds / 86_400),
        ("h", seconds / 3_600 % 24),
        ("m", seconds / 60 % 60),
        ("s", seconds % 60),
    ];
    let largest = units.iter().position(|(_, count)| *count > 0).unwrap_or(3);
    let text: Vec<String> = units[largest..]
        .iter()
        .take(2)
        .filter(|(_, count)| *count > 0)
        .map(|(unit, count)| format!("{count}{unit}"))
        .collect();
    match (text.is_empty(), at_ms >= now_ms) {
        (true, _) => "now".to_owned(),
        (false, true) => format!("in {}", text.join(" ")),
        (false, false) => format!("{} ago", text.join(" ")),
    }
}

/// A text out of a token whose signature may be nobody's, short and fit for a terminal.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        const NOW_MS: i64 = 1_800_000_000_000;
        for (seconds, expected) in [
            (0, "now"),
            (59, "in 59s"),
            (-61, "1m 1s ago"),
            (7_500, "in 2h 5m"),
            (-86_400, "1d ago"),
            (90_061, "in 1d 1h"),
        ] {
            assert_eq!(from_now(NOW_MS + seconds * 1000, NOW_MS), expected);
        }
    }
}
