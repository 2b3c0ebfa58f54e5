//! RFC 9068 §4 — validating a JWT access token.

use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use crate::{jwks::Jwks, refusal::Refusal};

/// Signature algorithms this API accepts. `none` and shared-secret algorithms can never be among them.
pub(crate) const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];

/// How far the provider's clock may be off, in seconds.
const LEEWAY: u64 = 5;

/// The claims of a verified access token. Those without a default are required by RFC 9068 §2.2.
#[derive(Debug, Deserialize)]
pub(crate) struct AccessToken {
    /// The user, or the client itself when no user is involved.
    pub(crate) sub: String,
    /// The client that presents the token.
    pub(crate) client_id: String,
    /// What the user let the client do: names separated by spaces.
    #[serde(default)]
    pub(crate) scope: String,
    /// What the user may do, as far as the scope lets the client know.
    #[serde(default)]
    pub(crate) permissions: Vec<String>,
    #[serde(rename = "iat")]
    _issued_at: u64,
    #[serde(rename = "jti")]
    _id: String,
}

impl AccessToken {
    /// Refuses unless the user granted this scope to the client.
    pub(crate) fn require_scope(&self, scope: &'static str) -> Result<(), Refusal> {
        if self.scope.split(' ').any(|granted| granted == scope) {
            Ok(())
        } else {
            Err(Refusal::MissingScope(scope))
        }
    }

    /// Refuses unless the user holds this permission.
    pub(crate) fn require_permission(&self, permission: &'static str) -> Result<(), Refusal> {
        if self.permissions.iter().any(|held| held == permission) {
            Ok(())
        } else {
            Err(Refusal::MissingPermission(permission))
        }
    }
}

/// Verifies tokens of one provider for one audience.
pub(crate) struct Verifier {
    jwks: Jwks,
    validation: Validation,
}

impl Verifier {
    /// A verifier for tokens that this provider issued to be used at `audience`.
    pub(crate) fn new(jwks: Jwks, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[jwks.issuer()]);
        validation.set_audience(&[audience]);
        Self { jwks, validation }
    }

    /// Checks the header, then the signature with the provider's key, then the claims.
    pub(crate) async fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::InvalidToken("not a signed JWT"))?;
        // An ID token is a signed JWT of the same issuer too; only `typ` tells them apart for sure.
        if !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Refusal::InvalidToken("not an access token"));
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::InvalidToken("signature algorithm not accepted"));
        }
        let kid = header.kid.ok_or(Refusal::InvalidToken("no key id"))?;
        let key = self
            .jwks
            .key(&kid)
            .await?
            .ok_or(Refusal::InvalidToken("unknown key"))?;

        // The key says which algorithm it is for: the token's header has no say.
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        decode(token, &key.decoding, &validation)
            .map(|data| data.claims)
            .map_err(|error| Refusal::InvalidToken(reason(error.kind())))
    }
}

/// RFC 9068 §4: `at+jwt`, with or without the `application/` prefix, in any case.
fn is_access_token(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may add kinds; only these have a text"
)]
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not valid yet",
        ErrorKind::InvalidAudience => "meant for another audience",
        ErrorKind::InvalidIssuer => "from another issuer",
        ErrorKind::InvalidSignature => "the signature does not match",
        ErrorKind::InvalidAlgorithm => "the key is for another algorithm",
        _ => "malformed",
    }
}
