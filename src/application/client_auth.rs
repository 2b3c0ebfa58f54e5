//! Client authentication at every endpoint that asks for it (RFC 6749 §2.3, OIDC Core §9).

use std::{sync::Arc, time::Duration};

use super::{
    Failure, Ports,
    client_keys::{self, Signed},
    directory::Sight,
    limits::Endpoint,
    ports::state::{Kind, StateKey},
    trail::{About, Origin},
};
use crate::{
    domain::{
        client::{AssertionAudience, Client, ClientAuthentication, ClientSecret},
        event::EventKind,
        key::SigningAlgorithm,
        time::Timestamp,
    },
    protocol::{
        capability::Capability,
        client_assertion::{self, Audience},
        client_auth::{Credentials, Proof, rejected},
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
            let registered = (*algorithm, *audience);
            verify_assertion(ports, &client, assertion, registered).await?;
        }
        _ => {
            let error = rejected("not the authentication method that the client registered");
            let registered = [client.authentication.method()];
            return Err(error.given(credentials.proof.method(), registered).into());
        }
    }
    Ok(client)
}

/// Compares with every secret that is valid, each in constant time.
fn is_one_of(secrets: &[ClientSecret], presented: &str, now: Timestamp) -> bool {
    secrets
        .iter()
        .filter(|secret| secret.expires_at.is_none_or(|end| now < end))
        .fold(false, |found, secret| {
            found | secret.digest.matches(presented)
        })
}

/// RFC 7523 §3: signature, claims, then the identifier's single use, which fails closed.
async fn verify_assertion(
    ports: &Ports,
    client: &Client,
    assertion: &str,
    (algorithm, policy): (Option<SigningAlgorithm>, AssertionAudience),
) -> Result<(), Failure> {
    let claims = client_keys::verify(ports, client, Signed::Assertion(assertion), algorithm)
        .await?
        .map_err(|_| rejected("the assertion's signature does not verify"))?;
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
