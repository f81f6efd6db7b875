//! What a session says of its person: the claims of one that was decrypted, or the site's answer.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{
    claim::{ObjectWithoutRepeats, Profile, id_of, issued_at_ms, judge_times, profile},
    token::{Claims, TokenFault},
};
use crate::model::limits;

/// The claim that names the person unless the settings say otherwise; in a site's answer it is `user.id`.
pub const DEFAULT_USER_ID: &str = "sub";

const NO_USER: TokenFault = TokenFault::Invalid("its session names no user");

/// The claims of a JWE's contents. `user_id`: the claim that names the person. The session ends 24 hours from now at the
/// latest: it cannot be revoked, so whoever holds a connection open for longer has to show it again.
pub fn of_contents(contents: &[u8], user_id: &str, now_ms: i64) -> Result<Claims, TokenFault> {
    let claims: ObjectWithoutRepeats =
        serde_json::from_slice(contents).map_err(|_| TokenFault::Invalid("its claims cannot be read"))?;
    let claims = claims.0;
    let expires_at_ms = judge_times(&claims, limits::TOKEN_LEEWAY, now_ms)?;
    let issued_at_ms = issued_at_ms(&claims, now_ms)?;
    person(&claims, user_id, issued_at_ms, expires_at_ms, now_ms)
}

/// What `/api/auth/session` answers: `null` or `{}` to nobody. Other members are the site's own.
#[derive(Deserialize)]
struct SiteAnswer {
    user: Option<ObjectWithoutRepeats>,
    expires: Option<String>,
}

/// Who a site says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteVerdict {
    SignedIn(Claims),
    SignedOut,
    /// The site knows the session, but not in a way that names a person. Ends "The token is not valid: ...".
    Unfit(TokenFault),
    /// Not the answer of NextAuth or Auth.js.
    Malformed,
}

/// `asked_at_ms`: when the site was asked, which is when it said so.
pub fn of_answer(body: &[u8], user_id: &str, asked_at_ms: i64) -> SiteVerdict {
    // serde would take a list for the members in their order.
    let is_list = body.trim_ascii_start().starts_with(b"[");
    let answer = match serde_json::from_slice::<Option<SiteAnswer>>(body) {
        Ok(answer) if !is_list => answer,
        _ => return SiteVerdict::Malformed,
    };
    let Some(SiteAnswer { user, expires }) = answer else {
        return SiteVerdict::SignedOut;
    };
    let (user, expires) = match (user, expires) {
        (None, None) => return SiteVerdict::SignedOut,
        (None, Some(_)) => return SiteVerdict::Unfit(NO_USER),
        (Some(_), None) => {
            return SiteVerdict::Unfit(TokenFault::Invalid("the site's answer has no expires"));
        }
        (Some(user), Some(expires)) => (user.0, expires),
    };
    let Ok(expires) = expires.parse::<jiff::Timestamp>() else {
        return SiteVerdict::Unfit(TokenFault::Invalid("the site's expires is no time"));
    };
    if expires.as_millisecond() <= asked_at_ms {
        return SiteVerdict::Unfit(TokenFault::Expired);
    }
    let user_id = if user_id == DEFAULT_USER_ID { "id" } else { user_id };
    match person(&user, user_id, Some(asked_at_ms), expires.as_millisecond(), asked_at_ms) {
        Ok(claims) => SiteVerdict::SignedIn(claims),
        Err(fault) => SiteVerdict::Unfit(fault),
    }
}

fn person(
    members: &Map<String, Value>,
    user_id: &str,
    issued_at_ms: Option<i64>,
    expires_at_ms: i64,
    now_ms: i64,
) -> Result<Claims, TokenFault> {
    let id = members.get(user_id).filter(|id| !id.is_null()).ok_or(NO_USER)?;
    let latest_ms = now_ms.saturating_add(limits::TOKEN_LIFETIME.as_millis() as i64);
    let Profile {
        name,
        email,
        image,
        role,
    } = profile(members);
    Ok(Claims {
        user_id: id_of(id)?,
        name,
        email,
        image,
        role,
        issued_at_ms,
        expires_at_ms: expires_at_ms.min(latest_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW_MS: i64 = 1_800_000_000_000;
    const NOW: i64 = NOW_MS / 1000;

    fn contents(claims: Value) -> Result<Claims, TokenFault> {
        of_contents(claims.to_string().as_bytes(), "sub", NOW_MS)
    }

    fn answer(body: &str) -> SiteVerdict {
        of_answer(body.as_bytes(), "sub", NOW_MS)
    }

    #[test]
    fn a_session_ends_with_its_exp_or_after_a_day() {
        for (exp, ends) in [
            (NOW + 60, NOW + 60),
            (NOW + 86_400, NOW + 86_400),
            (NOW + 30 * 86_400, NOW + 86_400),
        ] {
            let claims = contents(json!({ "sub": "u", "exp": exp })).unwrap();
            assert_eq!(claims.expires_at_ms, ends * 1000);
        }
        assert_eq!(
            contents(json!({ "sub": "u", "exp": NOW - 31 })),
            Err(TokenFault::Expired)
        );
    }

    #[test]
    fn contents_without_a_user_or_an_end_are_refused() {
        for claims in [
            json!({ "sub": "u" }),
            json!({ "sub": "u", "exp": (NOW + 60).to_string() }),
            json!({ "exp": NOW + 60 }),
            json!({ "sub": null, "exp": NOW + 60 }),
            json!({ "sub": "", "exp": NOW + 60 }),
            json!({ "sub": "a b", "exp": NOW + 60 }),
            json!({ "sub": ["u"], "exp": NOW + 60 }),
            // Only the claim of the settings counts, not the first of several as in a JWT of the host's own.
            json!({ "id": "u", "userId": "u", "exp": NOW + 60 }),
            // The contents of the packages' other cookies.
            json!({ "value": "a state", "exp": NOW + 60 }),
            json!({ "sub": "u", "exp": NOW + 60, "nbf": NOW + 60 }),
            json!(["u"]),
        ] {
            assert!(
                matches!(contents(claims.clone()), Err(TokenFault::Invalid(_))),
                "{claims}"
            );
        }
        let twice = format!(r#"{{"sub":"a","sub":"b","exp":{}}}"#, NOW + 60);
        assert!(of_contents(twice.as_bytes(), "sub", NOW_MS).is_err());
    }

    #[test]
    fn the_claim_of_the_settings_names_the_user() {
        let claims = json!({ "sub": "random", "id": 17, "email": "ann@example.com", "exp": NOW + 60 }).to_string();
        for (claim, id) in [("sub", "random"), ("id", "17"), ("email", "ann@example.com")] {
            let claims = of_contents(claims.as_bytes(), claim, NOW_MS).unwrap();
            assert_eq!(claims.user_id, id);
        }
    }

    #[test]
    fn a_sites_answer_says_who_it_is_and_until_when() {
        let body = json!({
            "user": { "id": "u-1", "name": "Ann", "email": "ann@example.com", "image": "https://x/a.png" },
            "expires": "2027-01-15T08:10:00.000Z",
        });
        let SiteVerdict::SignedIn(claims) = answer(&body.to_string()) else {
            panic!("signed in");
        };
        assert_eq!((claims.user_id.as_str(), claims.name.as_deref()), ("u-1", Some("Ann")));
        assert_eq!(claims.image.as_deref(), Some("https://x/a.png"));
        assert_eq!(claims.issued_at_ms, Some(NOW_MS));
        assert_eq!(claims.expires_at_ms, NOW_MS + 600_000);
        let by_email = of_answer(body.to_string().as_bytes(), "email", NOW_MS);
        assert!(matches!(by_email, SiteVerdict::SignedIn(claims) if claims.user_id == "ann@example.com"));
    }

    #[test]
    fn every_other_answer_lets_nobody_in() {
        for body in ["null", "{}", r#"{"user":null}"#, r#"{"theme":"dark"}"#] {
            assert_eq!(answer(body), SiteVerdict::SignedOut, "{body}");
        }
        for body in [
            r#"{"user":{"name":"Ann"},"expires":"2027-01-15T09:00:00.000Z"}"#,
            r#"{"user":{"id":"u"}}"#,
            r#"{"user":{"id":"u"},"expires":"soon"}"#,
            r#"{"user":{"id":"u"},"expires":"2027-01-15T07:59:59.000Z"}"#,
            r#"{"user":{"id":"a b"},"expires":"2027-01-15T09:00:00.000Z"}"#,
            r#"{"expires":"2027-01-15T09:00:00.000Z"}"#,
        ] {
            assert!(matches!(answer(body), SiteVerdict::Unfit(_)), "{body}");
        }
        for body in [
            "",
            "<html>",
            "[]",
            r#"[{"id":"u"},"2027-01-15T09:00:00.000Z"]"#,
            "true",
            r#"{"user":"u","expires":"2027-01-15T09:00:00.000Z"}"#,
            r#"{"user":{"id":"u"},"expires":1800000600}"#,
            r#"{"user":{"id":"u","id":"v"},"expires":"2027-01-15T09:00:00.000Z"}"#,
            r#"{"user":{"id":"u"},"user":{"id":"v"},"expires":"2027-01-15T09:00:00.000Z"}"#,
            r#"{"user":{"id":"u"},"expires":"2027-01-15T09:00:00.000Z"} x"#,
        ] {
            assert_eq!(answer(body), SiteVerdict::Malformed, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_contents_and_no_answer_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
            for input in [bytes.as_slice(), text.as_bytes()] {
                let _ = of_contents(input, "sub", NOW_MS);
                prop_assert!(!matches!(of_answer(input, "sub", NOW_MS), SiteVerdict::SignedIn(_)));
            }
        }
    }
}
