//! What is inside the playground's tokens, and whether it holds: ID tokens through openidconnect's
//! verifier (OIDC Core §3.1.3.7), access tokens as an API checks them (RFC 9068 §4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    AccessToken, AccessTokenHash, JsonWebKey as _, Nonce, NonceVerifier, SubjectIdentifier,
    core::{
        CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKey, CoreJsonWebKeySet,
        CoreJwsSigningAlgorithm,
    },
};
use serde_json::Value;

use super::{
    record::pretty,
    steps::{Failed, Parts},
};
use crate::{domain::time::Timestamp, protocol::access_token::TYP};

/// What an ID token must agree with.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// The authorization request: its nonce comes back.
    SignIn(&'a Nonce),
    /// The token before it: the same user, and no other nonce (OIDC Core §12.2).
    Refresh(&'a Nonce, &'a SubjectIdentifier),
}

impl Expected<'_> {
    fn accepts(self, subject: &SubjectIdentifier) -> bool {
        match self {
            Self::SignIn(_) => true,
            Self::Refresh(_, known) => known == subject,
        }
    }

    fn checks(self) -> &'static str {
        match self {
            Self::SignIn(_) => "✓ nonce is that of the authorization request",
            Self::Refresh(..) => "✓ sub is the same as before, nonce absent or the same",
        }
    }
}

impl NonceVerifier for Expected<'_> {
    fn verify(self, found: Option<&Nonce>) -> Result<(), String> {
        match (self, found) {
            (Self::Refresh(..), None) => Ok(()),
            (Self::SignIn(_), None) => Err("the nonce is missing".to_owned()),
            (Self::SignIn(expected) | Self::Refresh(expected, _), Some(found)) => {
                if found.secret() == expected.secret() {
                    Ok(())
                } else {
                    Err("the nonce is not that of the request".to_owned())
                }
            }
        }
    }
}

/// Decodes and verifies an ID token that came together with `access`, and says whose it is.
pub(super) fn id_token(
    token: &CoreIdToken,
    verifier: &CoreIdTokenVerifier<'_>,
    expected: Expected<'_>,
    access: &AccessToken,
) -> Result<(Parts, SubjectIdentifier), Failed> {
    let mut parts = Jwt::decode(&token.to_string()).map_or_else(Parts::new, |jwt| jwt.parts());
    match check_id_token(token, verifier, expected, access) {
        Ok((checks, subject)) => {
            parts.push(("Verification".to_owned(), checks.join("\n")));
            Ok((parts, subject))
        }
        Err(failed) => Err(Failed { parts, ..failed }),
    }
}

fn check_id_token(
    token: &CoreIdToken,
    verifier: &CoreIdTokenVerifier<'_>,
    expected: Expected<'_>,
    access: &AccessToken,
) -> Result<(Vec<String>, SubjectIdentifier), Failed> {
    let claims = token
        .claims(verifier, expected)
        .map_err(|error| Failed::of(&error))?;
    if !expected.accepts(claims.subject()) {
        return Err(Failed::because("sub is another user than before"));
    }
    let algorithm = token.signing_alg().map_err(|error| Failed::of(&error))?;
    let key = token
        .signing_key(verifier)
        .map_err(|error| Failed::of(&error))?;
    let kid = key.key_id().map_or("without id", |id| id.as_str());
    let mut checks = vec![
        format!("✓ signature: {} with key {kid}", name(algorithm)),
        format!("✓ iss is {}", claims.issuer().as_str()),
        "✓ aud is this application".to_owned(),
        "✓ exp lies ahead".to_owned(),
        expected.checks().to_owned(),
    ];
    if let Some(hash) = claims.access_token_hash() {
        let actual = AccessTokenHash::from_token(access, algorithm, key)
            .map_err(|error| Failed::of(&error))?;
        if actual != *hash {
            return Err(Failed::because("at_hash is not that of the access token"));
        }
        checks.push("✓ at_hash is that of the access token".to_owned());
    }
    Ok((checks, claims.subject().clone()))
}

/// Whether the key that signed a token is among `keys`. What is no JWT needs none.
pub(super) fn is_key_known(token: &str, keys: &CoreJsonWebKeySet) -> bool {
    Jwt::decode(token).is_none_or(|jwt| find_key(&jwt, keys).is_some())
}

/// What an access token must say besides being signed.
pub(super) struct AccessRules<'a> {
    /// `iss`
    pub(super) issuer: &'a str,
    /// `client_id`
    pub(super) client: &'a str,
    /// The time that `exp` is held against.
    pub(super) now: Timestamp,
}

/// Decodes and verifies an access token; an opaque one says nothing.
pub(super) fn access_token(
    token: &str,
    keys: &CoreJsonWebKeySet,
    rules: &AccessRules<'_>,
) -> Result<Parts, Failed> {
    let Some(jwt) = Jwt::decode(token) else {
        let note =
            "The token is opaque: only the server can tell what it means. Ask introspection.";
        return Ok(vec![("Verification".to_owned(), note.to_owned())]);
    };
    let checks = [
        signature(&jwt, keys),
        check(jwt.header_text("typ") == TYP, format!("typ is {TYP}")),
        check(
            jwt.claim_text("iss") == rules.issuer,
            format!("iss is {}", rules.issuer),
        ),
        check(
            jwt.claims.get("exp").and_then(Value::as_i64) > Some(rules.now.0),
            "exp lies ahead".to_owned(),
        ),
        check(
            jwt.claim_text("client_id") == rules.client,
            "client_id is this application".to_owned(),
        ),
    ];
    let mut parts = jwt.parts();
    let is_good = checks.iter().all(Result::is_ok);
    let lines: Vec<String> = checks
        .into_iter()
        .map(|result| match result {
            Ok(passed) => format!("✓ {passed}"),
            Err(failed) => format!("✗ {failed}"),
        })
        .collect();
    parts.push(("Verification".to_owned(), lines.join("\n")));
    if is_good {
        Ok(parts)
    } else {
        let reason = "the access token does not pass verification".to_owned();
        Err(Failed { reason, parts })
    }
}

fn check(holds: bool, what: String) -> Result<String, String> {
    if holds { Ok(what) } else { Err(what) }
}

fn signature(jwt: &Jwt<'_>, keys: &CoreJsonWebKeySet) -> Result<String, String> {
    let kid = jwt.header_text("kid");
    let algorithm = jwt.header.get("alg").cloned().unwrap_or_default();
    let algorithm: CoreJwsSigningAlgorithm =
        serde_json::from_value(algorithm).map_err(|error| format!("signature: {error}"))?;
    let key = find_key(jwt, keys)
        .ok_or_else(|| format!("signature: the key {kid:?} is not published"))?;
    key.verify_signature(&algorithm, jwt.signed.as_bytes(), &jwt.signature)
        .map_err(|error| format!("signature: {error}"))?;
    Ok(format!("signature: {} with key {kid}", name(&algorithm)))
}

fn find_key<'k>(jwt: &Jwt<'_>, keys: &'k CoreJsonWebKeySet) -> Option<&'k CoreJsonWebKey> {
    let kid = jwt.header_text("kid");
    keys.keys()
        .iter()
        .find(|key| key.key_id().is_some_and(|id| id.as_str() == kid))
}

fn name(algorithm: &CoreJwsSigningAlgorithm) -> String {
    serde_json::to_value(algorithm)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A JWT taken apart (RFC 7515 §3.1), nothing of it verified.
struct Jwt<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn decode(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    fn parts(&self) -> Parts {
        vec![
            ("Header".to_owned(), pretty(&self.header)),
            ("Claims".to_owned(), pretty(&self.claims)),
        ]
    }

    fn header_text(&self, name: &str) -> &str {
        text(&self.header, name)
    }

    fn claim_text(&self, name: &str) -> &str {
        text(&self.claims, name)
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    fn jwt(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    fn rules() -> AccessRules<'static> {
        AccessRules {
            issuer: "http://localhost:8080",
            client: "playground",
            now: Timestamp(100),
        }
    }

    #[test]
    fn every_check_that_an_access_token_fails_is_named() {
        let token = jwt(
            &json!({ "alg": "ES256", "kid": "gone", "typ": "JWT" }),
            &json!({ "iss": "http://evil", "exp": 100, "client_id": "playground" }),
        );
        let failed =
            access_token(&token, &CoreJsonWebKeySet::new(Vec::new()), &rules()).unwrap_err();
        assert_eq!(
            failed.parts[2].1,
            "✗ signature: the key \"gone\" is not published\n✗ typ is at+jwt\n\
             ✗ iss is http://localhost:8080\n✗ exp lies ahead\n✓ client_id is this application"
        );
    }

    #[test]
    fn an_unsigned_access_token_fails() {
        let token = jwt(&json!({ "alg": "none", "kid": "a" }), &json!({}));
        let failed =
            access_token(&token, &CoreJsonWebKeySet::new(Vec::new()), &rules()).unwrap_err();
        assert!(failed.parts[2].1.starts_with("✗ signature"));
    }

    #[test]
    fn an_opaque_access_token_is_left_to_introspection() {
        let keys = CoreJsonWebKeySet::new(Vec::new());
        let parts = access_token("opaque", &keys, &rules()).unwrap();
        assert!(parts[0].1.contains("introspection"));
    }

    #[test]
    fn a_refreshed_id_token_may_lack_the_nonce_but_not_carry_another() {
        let ours = Nonce::new("a".to_owned());
        let other = Nonce::new("b".to_owned());
        let user = SubjectIdentifier::new("u".to_owned());
        let sign_in = Expected::SignIn(&ours);
        let refresh = Expected::Refresh(&ours, &user);
        assert!(sign_in.verify(Some(&ours)).is_ok());
        assert!(sign_in.verify(None).is_err());
        assert!(refresh.verify(None).is_ok());
        assert!(refresh.verify(Some(&other)).is_err());
        assert!(!refresh.accepts(&SubjectIdentifier::new("v".to_owned())));
    }
}
