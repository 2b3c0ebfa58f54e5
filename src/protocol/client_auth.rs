//! RFC 6749 §2.3, OIDC Core §9, RFC 7521 §4.2 — how a client says who it is.
//!
//! Supported: `client_secret_basic` (form-decoded, §2.3.1), `client_secret_post`, `client_secret_jwt`,
//! `private_key_jwt`, `tls_client_auth`, `self_signed_tls_client_auth` (RFC 8705 §2), `none`. Refused: more than one of them in a request (§2.3).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    client_assertion,
    error::{ErrorCode, OAuthError},
    params::Params,
};
use crate::domain::{certificate::PresentedCertificate, client::ClientAuthMethod, id::ClientId};

/// `client_assertion_type` of a JWT (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who a request says to come from, and its proof. Nothing is verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `client_id`, from wherever the method has it.
    pub client: ClientId,
    /// The proof.
    pub proof: Proof,
    /// The certificate of the connection that the request came over, if it has one.
    pub certificate: Option<PresentedCertificate>,
}

/// What a client offers as proof.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: a public client.
    None,
    /// A secret, in the header or in the body.
    Secret(ClientAuthMethod, String),
    /// A signed assertion.
    Assertion(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Proof {
    /// The method that it belongs to, as far as that shows.
    pub fn method(&self) -> &'static str {
        match self {
            Self::None => ClientAuthMethod::None.as_str(),
            Self::Secret(method, _) => method.as_str(),
            Self::Assertion(_) => "an assertion",
        }
    }
}

impl Credentials {
    /// The same over a connection with this certificate.
    #[must_use]
    pub fn over(mut self, certificate: Option<PresentedCertificate>) -> Self {
        self.certificate = certificate;
        self
    }

    /// Reads the `Authorization` header and the body parameters.
    pub fn parse(authorization: Option<&[u8]>, params: &Params) -> Result<Self, OAuthError> {
        let basic = authorization.map(parse_basic).transpose()?;
        let secret = params.get("client_secret");
        let assertion = params.get("client_assertion");
        let offered = [basic.is_some(), secret.is_some(), assertion.is_some()];
        if offered.into_iter().filter(|offered| *offered).count() > 1 {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "more than one client authentication method",
            ));
        }
        let named = params.get("client_id").map(ClientId::new);
        let (from_proof, proof) = match (basic, secret, assertion) {
            (Some((client, secret)), ..) => (
                Some(client),
                Proof::Secret(ClientAuthMethod::ClientSecretBasic, secret),
            ),
            (_, Some(secret), _) => (
                None,
                Proof::Secret(ClientAuthMethod::ClientSecretPost, secret.to_owned()),
            ),
            (_, _, Some(assertion)) => (
                Some(claimed_client(assertion, params)?),
                Proof::Assertion(assertion.to_owned()),
            ),
            _ => (None, Proof::None),
        };
        match (from_proof, named) {
            // RFC 7521 §4.2: client_id must identify the client that the assertion is about.
            (Some(proved), Some(named)) if proved != named && assertion.is_some() => {
                Err(rejected("client_id is not the subject of the assertion"))
            }
            (Some(proved), Some(named)) if proved != named => Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "client_id contradicts the client authentication",
            )),
            (Some(client), _) | (None, Some(client)) => Ok(Self {
                client,
                proof,
                certificate: None,
            }),
            (None, None) => Err(rejected("the request names no client")),
        }
    }
}

/// The one answer to whatever is wrong with the client (RFC 6749 §5.2); `cause` goes to the log.
pub fn rejected(cause: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, "client authentication failed").because(cause)
}

fn claimed_client(assertion: &str, params: &Params) -> Result<ClientId, OAuthError> {
    if params.get("client_assertion_type") != Some(JWT_BEARER) {
        return Err(rejected("client_assertion_type is not jwt-bearer"));
    }
    client_assertion::claimed_subject(assertion)
        .ok_or_else(|| rejected("the assertion names no subject"))
}

/// `Basic` credentials: base64 of two form-encoded halves (RFC 6749 §2.3.1).
fn parse_basic(header: &[u8]) -> Result<(ClientId, String), OAuthError> {
    let malformed = || rejected("malformed Authorization header");
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    let (scheme, encoded) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(rejected("the Authorization scheme is not Basic"));
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    let (id, secret) = form_decode(id)
        .zip(form_decode(secret))
        .ok_or_else(malformed)?;
    if id.is_empty() || secret.is_empty() {
        return Err(malformed());
    }
    Ok((ClientId::new(id), secret))
}

/// Reuses the strict reader: a half is the value of a parameter.
fn form_decode(text: &str) -> Option<String> {
    Params::value(text).filter(|_| !text.contains('&'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn basic(text: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let credentials =
            Credentials::parse(Some(&basic("my%3Aid:p%2Bq+r")), &Params::default()).unwrap();
        assert_eq!(credentials.client.as_str(), "my:id");
        assert!(
            credentials.proof == Proof::Secret(ClientAuthMethod::ClientSecretBasic, "p+q r".into())
        );
    }

    #[test]
    fn c060_more_than_one_method_is_an_invalid_request() {
        for body in ["client_id=a&client_secret=s", "client_assertion=x.y.z"] {
            let error = Credentials::parse(Some(&basic("a:s")), &Params::parse(body.as_bytes()))
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{body}");
        }
        let both = Params::parse(b"client_id=a&client_secret=s&client_assertion=x.y.z");
        assert_eq!(
            Credentials::parse(None, &both).unwrap_err().code,
            ErrorCode::InvalidRequest
        );
    }

    #[test]
    fn the_same_client_id_in_the_body_is_harmless_and_another_is_not() {
        assert!(Credentials::parse(Some(&basic("a:s")), &Params::parse(b"client_id=a")).is_ok());
        assert!(Credentials::parse(Some(&basic("a:s")), &Params::parse(b"client_id=b")).is_err());
    }

    #[test]
    fn c070_sloppy_basic_credentials_are_rejected() {
        let bad: [&[u8]; 9] = [
            b"Basic",
            b"Basic !!!",
            b"Basic YQ==",
            b"Basic Og==",
            b"Bearer abc",
            b"basic",
            b"\xff",
            b"Basic  ",
            b"Basic /w==",
        ];
        for header in bad {
            let error = Credentials::parse(Some(header), &Params::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidClient, "{header:?}");
        }
    }
}
