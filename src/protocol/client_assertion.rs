//! RFC 7523 §3, OIDC Core §9 — the claims of a client's assertion (`private_key_jwt`).
//!
//! Required: `iss` and `sub` equal to the client, `aud` equal to the issuer identifier as a single
//! string (RFC 9700 and rfc7523bis close the confusion that other audiences allow) or, for a client that
//! registered so, to the URL of the token endpoint (OIDC Core §9), `exp` at most five minutes ahead, `jti` used once. `nbf` may be a minute ahead of our clock. Whatever `exp` says, an
//! assertion is taken during one minute only: from ten seconds before its `iat` by our clock to fifty
//! after; without `iat`, during the last minute before `exp`. So a state store that lost its memory of
//! used ones accepts none again for longer than that.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{client_auth::rejected, error::OAuthError, issuer::Issuer, metadata::paths};
use crate::domain::{client::AssertionAudience, id::ClientId, time::Timestamp};

/// An assertion may live this long.
const MAX_LIFETIME: Duration = Duration::from_mins(5);
/// How far `nbf` may be ahead.
const LEEWAY: Duration = Duration::from_mins(1);
/// How far `iat` may be ahead: the client's clock is fast.
const AHEAD: Duration = Duration::from_secs(10);
/// How old `iat` may be. With [`AHEAD`] a minute in all.
const MAX_AGE: Duration = Duration::from_secs(50);
/// Without `iat`, how far `exp` may be ahead.
const MAX_UNDATED: Duration = Duration::from_mins(1);
/// Bytes of a `jti` at most.
const MAX_JTI: usize = 256;

/// What must happen only once: this assertion by this client, before it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleUse {
    /// `jti`
    pub id: String,
    /// `exp`
    pub expires_at: Timestamp,
}

/// Whom an assertion may be addressed to: this server under one of its names.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// This server.
    pub issuer: &'a Issuer,
    /// What the client registered.
    pub policy: AssertionAudience,
}

impl Audience<'_> {
    fn is(&self, named: &str) -> bool {
        named == self.issuer.as_str()
            || match self.policy {
                AssertionAudience::Issuer => false,
                AssertionAudience::TokenEndpoint => named == self.issuer.url(paths::TOKEN),
            }
    }
}

/// Checks the claims of an assertion whose signature was verified with the client's keys.
pub fn check(
    claims: &Map<String, Value>,
    client: &ClientId,
    audience: Audience<'_>,
    now: Timestamp,
) -> Result<SingleUse, OAuthError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(client.as_str()) || text("sub") != Some(client.as_str()) {
        return Err(rejected("iss or sub of the assertion is not the client"));
    }
    if !text("aud").is_some_and(|named| audience.is(named)) {
        return Err(rejected(
            "aud of the assertion is not, as a single string, what the client may address",
        ));
    }
    let expires_at = date(claims, "exp")?.ok_or_else(|| rejected("the assertion has no exp"))?;
    if expires_at <= now {
        return Err(rejected("the assertion is expired"));
    }
    if expires_at > now.plus(MAX_LIFETIME) {
        return Err(rejected(
            "exp of the assertion is more than five minutes ahead",
        ));
    }
    if date(claims, "nbf")?.is_some_and(|date| date > now.plus(LEEWAY)) {
        return Err(rejected("nbf of the assertion is in the future"));
    }
    match date(claims, "iat")? {
        Some(iat) if iat > now.plus(AHEAD) => {
            return Err(rejected("iat of the assertion is in the future"));
        }
        Some(iat) if iat < now.minus(MAX_AGE) => {
            return Err(rejected(
                "iat of the assertion is more than fifty seconds ago",
            ));
        }
        None if expires_at > now.plus(MAX_UNDATED) => {
            return Err(rejected(
                "the assertion has no iat and its exp is more than a minute ahead",
            ));
        }
        Some(_) | None => {}
    }
    match text("jti") {
        Some(id) if !id.is_empty() && id.len() <= MAX_JTI => Ok(SingleUse {
            id: id.to_owned(),
            expires_at,
        }),
        _ => Err(rejected("the assertion has no usable jti")),
    }
}

/// A date in whole seconds. Anything that is no number, or beyond all calendars, is refused.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, OAuthError> {
    const END_OF_TIME: f64 = 253_402_300_800.0;
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|s| s.is_finite() && (0.0..END_OF_TIME).contains(s));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked; fractions are dropped on purpose"
    )]
    seconds
        .map(|s| Some(Timestamp(s as i64)))
        .ok_or_else(|| rejected("a date of the assertion is unusable"))
}

/// The client that an assertion claims to come from, to find its keys. Not verified.
pub fn claimed_subject(assertion: &str) -> Option<ClientId> {
    let payload = assertion.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("sub")?.as_str().map(ClientId::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn checked(change: impl FnOnce(&mut Value)) -> Result<SingleUse, OAuthError> {
        checked_for(AssertionAudience::Issuer, change)
    }

    fn checked_for(
        policy: AssertionAudience,
        change: impl FnOnce(&mut Value),
    ) -> Result<SingleUse, OAuthError> {
        let mut claims = json!({
            "iss": "c", "sub": "c", "aud": "https://id.example", "jti": "1", "exp": NOW.0 + 60, "iat": NOW.0,
        });
        change(&mut claims);
        let issuer = &Issuer::parse("https://id.example").unwrap();
        check(
            claims.as_object().unwrap(),
            &ClientId::new("c"),
            Audience { issuer, policy },
            NOW,
        )
    }

    #[test]
    fn a_proper_assertion_passes_even_eight_seconds_ahead() {
        assert!(checked(|_| ()).is_ok());
        assert!(checked(|c| c["nbf"] = json!(NOW.0 + 8)).is_ok());
        assert!(checked(|c| c["exp"] = json!(1_700_000_010.5)).is_ok());
    }

    #[test]
    fn c064_only_the_issuer_as_a_single_string_is_an_audience() {
        for aud in [
            json!("https://id.example/oauth2/token"),
            json!(["https://id.example"]),
            json!(["https://id.example", "https://other.example"]),
            json!("https://id.example/"),
            json!(1),
            Value::Null,
        ] {
            assert!(checked(|c| c["aud"] = aud.clone()).is_err(), "{aud}");
        }
    }

    #[test]
    fn a_client_that_registered_so_may_address_the_token_endpoint_and_nothing_else() {
        let with = |aud: Value| checked_for(AssertionAudience::TokenEndpoint, |c| c["aud"] = aud);
        assert!(with(json!("https://id.example")).is_ok());
        assert!(with(json!("https://id.example/oauth2/token")).is_ok());
        for aud in [
            json!("https://id.example/oauth2/token/"),
            json!("https://id.example/oauth2/introspect"),
            json!("https://other.example/oauth2/token"),
            json!(["https://id.example/oauth2/token"]),
        ] {
            assert!(with(aud.clone()).is_err(), "{aud}");
        }
    }

    #[test]
    fn c066_dates_must_be_present_and_near() {
        for (name, value) in [
            ("exp", Value::Null),
            ("exp", json!(NOW.0)),
            ("exp", json!(NOW.0 + 301)),
            ("iat", json!(NOW.0 + 11)),
            ("iat", json!(NOW.0 - 51)),
            ("nbf", json!(NOW.0 + 61)),
        ] {
            assert!(
                checked(|c| c[name] = value.clone()).is_err(),
                "{name} {value}"
            );
        }
        assert!(checked(|c| _ = c.as_object_mut().unwrap().remove("exp")).is_err());
        let undated = |exp: i64| {
            checked(|c| {
                _ = c.as_object_mut().unwrap().remove("iat");
                c["exp"] = json!(NOW.0 + exp);
            })
        };
        assert!(undated(60).is_ok());
        assert!(undated(61).is_err());
    }

    #[test]
    fn c069_issuer_and_subject_must_both_be_the_client() {
        assert!(checked(|c| c["iss"] = json!("d")).is_err());
        assert!(checked(|c| c["sub"] = json!("d")).is_err());
    }

    #[test]
    fn c084_monstrous_dates_are_rejected_calmly() {
        for value in [
            json!(1e300),
            json!(-1e300),
            json!(-1),
            json!("1700000060"),
            json!(true),
            json!([]),
        ] {
            assert!(checked(|c| c["exp"] = value.clone()).is_err(), "{value}");
        }
    }
}
