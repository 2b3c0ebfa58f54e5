//! Client authentication at every endpoint that asks for it (RFC 6749 §2.3, OIDC Core §9).

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Failure, Ports,
    client_keys::{self, Signed},
    client_secrets,
    directory::Sight,
    limits::Endpoint,
    ports::{
        InvalidToken, KeysOfClient,
        state::{Kind, StateKey},
    },
    trail::{About, Origin},
};
use crate::{
    domain::{
        algorithm::TokenAlgorithm,
        certificate::{Confirmation, PresentedCertificate},
        client::{AssertionAudience, Client, ClientAuthentication, ClientSecret},
        event::EventKind,
        time::Timestamp,
    },
    protocol::{
        capability::Capability,
        client_assertion::{self, Audience},
        client_auth::{Credentials, Proof, rejected},
        error::{ErrorCode, OAuthError},
    },
};

/// Finds the client and checks its proof by the one method that it registered. Every refusal has
/// the same answer; the audit trail has the cause. One that has
/// proved who it is is counted as a caller of `endpoint`.
pub async fn authenticate(
    ports: &Ports,
    sight: &Sight<'_>,
    credentials: &Credentials,
    (endpoint, origin): (Endpoint, &Origin),
) -> Result<Arc<Client>, Failure> {
    let client = sight.client(&credentials.client).await?;
    // Names that nobody has share a line of the trail: anybody can think of another.
    let known = client.as_ref().map(|client| client.id.clone());
    match prove(ports, client, credentials).await {
        Err(Failure::Refused(error)) => {
            let detail = serde_json::json!({ "cause": error.check(), "client_id": shortened(credentials.client.as_str()) });
            let about = About {
                client: known,
                detail: Some(detail),
                ..About::default()
            };
            ports
                .refused(EventKind::ClientRejected, origin, about)
                .await?;
            Err(error.into())
        }
        Ok(client) => {
            ports.limits.take_client(endpoint, &client).await?;
            Ok(client)
        }
        failed => failed,
    }
}

/// As [`authenticate`], but for endpoints that a public client cannot use (RFC 7662 §2.1).
pub async fn authenticate_confidential(
    ports: &Ports,
    sight: &Sight<'_>,
    credentials: &Credentials,
    place: (Endpoint, &Origin),
) -> Result<Arc<Client>, Failure> {
    let client = authenticate(ports, sight, credentials, place).await?;
    if client.is_public() {
        return Err(rejected("a public client cannot authenticate").into());
    }
    Ok(client)
}

async fn prove(
    ports: &Ports,
    client: Option<Arc<Client>>,
    credentials: &Credentials,
) -> Result<Arc<Client>, Failure> {
    let client = client
        .filter(|client| client.is_active())
        .ok_or_else(|| rejected("the client is unknown or inactive"))?;
    if !ports
        .settings
        .features
        .allows(Capability::ClientAuth(client.authentication.method()))
    {
        return Err(rejected("the client's authentication method is switched off").into());
    }
    match (&client.authentication, &credentials.proof) {
        (ClientAuthentication::None, Proof::None) => {}
        (
            ClientAuthentication::ClientSecretBasic { secrets }
            | ClientAuthentication::ClientSecretPost { secrets },
            Proof::Secret(method, secret),
        ) if *method == client.authentication.method() => {
            if !is_one_of(secrets, secret, ports.clock.now()) {
                return Err(rejected("the client secret is wrong or expired").into());
            }
        }
        (
            ClientAuthentication::PrivateKeyJwt {
                algorithm,
                audience,
                ..
            },
            Proof::Assertion(assertion),
        ) => {
            let signed = Signed::Assertion(assertion);
            let claims = client_keys::verify(ports, &client, signed, *algorithm).await?;
            check_assertion(ports, &client, claims, *audience).await?;
        }
        (
            ClientAuthentication::ClientSecretJwt {
                algorithm,
                audience,
                ..
            },
            Proof::Assertion(assertion),
        ) => {
            let secrets = client_secrets::readable(ports, &client);
            let keys = KeysOfClient::Secrets(&secrets);
            let algorithm = algorithm.map(TokenAlgorithm::Mac);
            let signed = Signed::Assertion(assertion);
            let claims = client_keys::check(ports, signed, keys, algorithm);
            check_assertion(ports, &client, claims, *audience).await?;
        }
        (ClientAuthentication::TlsClientAuth { subject }, Proof::None) => {
            let certificate = certificate(credentials)?;
            let now = ports.clock.now();
            if !ports
                .certificates
                .are_vouched_for(certificate, subject, now)
            {
                return Err(rejected("no authority vouches for this name's certificate").into());
            }
        }
        (ClientAuthentication::SelfSignedTlsClientAuth, Proof::None) => {
            let certificate = certificate(credentials)?;
            if !client_keys::holds(ports, &client, certificate).await? {
                return Err(rejected("the certificate is not among the client's").into());
            }
        }
        _ => {
            let error = rejected("not the authentication method that the client registered");
            let registered = [client.authentication.method()];
            return Err(error.given(credentials.proof.method(), registered).into());
        }
    }
    Ok(client)
}

/// What the access tokens of this request are bound to, for a client that registered so (RFC 8705 §3).
pub fn confirmation(
    client: &Client,
    credentials: &Credentials,
) -> Result<Option<Confirmation>, OAuthError> {
    if !client.tokens.certificate_bound {
        return Ok(None);
    }
    match &credentials.certificate {
        Some(certificate) => Ok(Some(Confirmation {
            certificate: certificate.thumbprint(),
        })),
        None => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "tokens of this client are bound to a certificate, and the connection has none",
        )),
    }
}

/// The certificate of the connection (RFC 8705 §2).
fn certificate(credentials: &Credentials) -> Result<&PresentedCertificate, OAuthError> {
    let certificate = credentials.certificate.as_ref();
    certificate.ok_or_else(|| rejected("the connection has no certificate of the client"))
}

/// Compares with every secret that is valid, each in constant time.
fn is_one_of(secrets: &[ClientSecret], presented: &str, now: Timestamp) -> bool {
    secrets
        .iter()
        .filter(|secret| secret.is_valid(now))
        .fold(false, |found, secret| {
            found | secret.digest.matches(presented)
        })
}

/// RFC 7523 §3: signature, claims, then the identifier's single use, which fails closed.
async fn check_assertion(
    ports: &Ports,
    client: &Client,
    claims: Result<Map<String, Value>, InvalidToken>,
    policy: AssertionAudience,
) -> Result<(), Failure> {
    let claims = claims.map_err(|_| rejected("the assertion's signature does not verify"))?;
    let now = ports.clock.now();
    let issuer = &ports.settings.issuer;
    let audience = Audience { issuer, policy };
    let single_use = client_assertion::check(&claims, &client.id, audience, now)?;
    let key = StateKey::new(
        Kind::Assertion,
        &format!("{}\0{}", client.id, single_use.id),
    );
    // A minute longer than it is valid: the store's clock may run ahead of ours.
    let ttl = single_use.expires_at.since(now) + Duration::from_mins(1);
    if !ports.state.add(&key, b"1", ttl).await? {
        return Err(rejected("the assertion was used before").into());
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
