//! RFC 7591 §3, RFC 7592 §2 — a client registers, reads, changes and removes itself.
//!
//! It gets what an operator's preset of its kind gets, but for what the metadata says. PKCE stays
//! optional where the client proves who it is and OpenID Connect's `nonce` protects the code
//! (RFC 9700 §2.1.1), because no metadata can say that a client uses it (ADR 57).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::{
    edit_client::{Change, ClientEdit},
    register_client::{self, RegisterClient, Registered},
};
use crate::{
    application::{
        Failure, Ports,
        administration::Acting,
        client_secrets,
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::{self, About, Origin},
    },
    domain::{
        algorithm::TokenAlgorithm,
        client::{AssertionAudience, Client, ClientAuthMethod, PkcePolicy},
        client_registration::SelfRegistration,
        event::{Actor, EventKind},
        id::ClientId,
        secret::SecretDigest,
    },
    protocol::{
        capability::{Capability, Features},
        error::{ErrorCode, OAuthError},
        metadata::paths,
        registration::{ClientMetadata, MetadataError, describe},
    },
};

/// Why nothing was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Clients cannot register themselves here.
    #[error("clients are registered by the operator of this server")]
    Closed,
    /// The metadata cannot be accepted.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Anything else.
    #[error("the registration failed")]
    Failed(#[from] Failure),
}

impl From<RegistrarError> for RegistrationError {
    fn from(error: RegistrarError) -> Self {
        match error {
            RegistrarError::Invalid { field, problem } => {
                Self::Metadata(MetadataError::new(member(field), problem))
            }
            RegistrarError::Store(error) => Self::Failed(error.into()),
            // Nobody asks for rights, names an API or a version, or sets a password here.
            RegistrarError::NotFound(..)
            | RegistrarError::Exists(_)
            | RegistrarError::Lacks(_)
            | RegistrarError::Beyond(_)
            | RegistrarError::Stale
            | RegistrarError::LastOwner
            | RegistrarError::Hash(_) => Self::Failed(Failure::Broken("the registration", None)),
        }
    }
}

impl From<crate::application::ports::StoreError> for RegistrationError {
    fn from(error: crate::application::ports::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The member that a setting comes from.
fn member(field: &str) -> &str {
    match field {
        "redirect_uri" => "redirect_uris",
        "post_logout_redirect_uri" => "post_logout_redirect_uris",
        "response_type" => "response_types",
        "auth_method" => "token_endpoint_auth_method",
        "id_token_alg" => "id_token_signed_response_alg",
        "userinfo_alg" => "userinfo_signed_response_alg",
        same => same,
    }
}

/// Registers a client: everything that it is told, secrets included.
pub async fn register(
    ports: &Ports,
    metadata: ClientMetadata,
    origin: &Origin,
) -> Result<Map<String, Value>, RegistrationError> {
    if !ports.settings.features.registration {
        return Err(RegistrationError::Closed);
    }
    let token = ports.secret();
    let registrar = Registrar::of(ports, Acting::Operator);
    let id = ClientId::new(format!("c-{}", registrar.uuid()));
    let registered = build(ports, &registrar, (&id, metadata), SecretDigest::of(&token))?;
    let work = ports.store.begin().await?;
    work.add_client(&registered.client).await?;
    record(ports, &*work, (EventKind::ClientCreated, &id), origin).await?;
    work.commit().await?;
    Ok(told(ports, &registered, &token))
}

/// What a client is registered as.
pub async fn read(
    ports: &Ports,
    id: &ClientId,
    token: &str,
) -> Result<Map<String, Value>, Failure> {
    let found = ports.store.reader().client(id).await?;
    let client = admitted(found, token)?;
    let secret = None;
    Ok(told(ports, &Registered { client, secret }, token))
}

/// Replaces everything that a client is registered as (RFC 7592 §2.2). A secret stays as long as the
/// client still proves itself by one.
pub async fn change(
    ports: &Ports,
    (id, token): (&ClientId, &str),
    metadata: ClientMetadata,
    origin: &Origin,
) -> Result<Map<String, Value>, RegistrationError> {
    let work = ports.store.begin().await?;
    let before = admitted(work.client(id).await?, token).map_err(Failure::from)?;
    check_claimed(&before, &metadata)?;
    let registrar = Registrar::of(ports, Acting::Operator);
    if !ports.settings.features.registration {
        return Err(RegistrationError::Closed);
    }
    let digest = SecretDigest::of(token);
    let mut registered = build(ports, &registrar, (id, metadata), digest)?;
    let client = &mut registered.client;
    client.status = before.status;
    client.not_before = before.not_before;
    client.created_at = before.created_at;
    let is_same = client.authentication.method() == before.authentication.method();
    // One that must be read again, and cannot be, is replaced (§3: the answer tells the new one).
    let can_stay = !client.needs_readable_secret()
        || client_secrets::has_readable(&before, registrar.clock.now());
    if is_same
        && can_stay
        && let Some(secrets) = client.authentication.secrets_mut()
    {
        *secrets = before.authentication.secrets().to_vec();
        registered.secret = None;
    }
    work.update_client(&registered.client).await?;
    record(ports, &*work, (EventKind::ClientChanged, id), origin).await?;
    work.commit().await?;
    Ok(told(ports, &registered, token))
}

/// Removes a client, with its grants and consents.
pub async fn remove(
    ports: &Ports,
    (id, token): (&ClientId, &str),
    origin: &Origin,
) -> Result<(), Failure> {
    let work = ports.store.begin().await?;
    admitted(work.client(id).await?, token)?;
    work.delete_client(id).await?;
    record(ports, &*work, (EventKind::ClientDeleted, id), origin).await?;
    work.commit().await?;
    Ok(())
}

/// The client, if this is its token. The same answer for whichever reason it is not, so that nobody
/// learns which clients there are (RFC 7592 §2.1).
fn admitted(client: Option<Client>, token: &str) -> Result<Client, OAuthError> {
    let is_own = |client: &Client| {
        let registration = client.registration.as_ref();
        client.is_active() && registration.is_some_and(|it| it.token.matches(token))
    };
    client.filter(is_own).ok_or_else(|| {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the registration access token is invalid",
        )
    })
}

/// A change says whom it means, and a secret that it repeats is the client's (RFC 7592 §2.2).
fn check_claimed(before: &Client, metadata: &ClientMetadata) -> Result<(), MetadataError> {
    let (id, secret) = &metadata.claimed;
    if id.as_deref() != Some(before.id.as_str()) {
        return Err(MetadataError::new(
            "client_id",
            "must be that of the client",
        ));
    }
    let secrets = before.authentication.secrets();
    let is_known = |secret: &String| secrets.iter().any(|known| known.digest.matches(secret));
    if secret.as_ref().is_some_and(|secret| !is_known(secret)) {
        return Err(MetadataError::new("client_secret", "cannot be chosen"));
    }
    Ok(())
}

/// The client that the metadata describes, checked as an operator's is.
fn build(
    ports: &Ports,
    registrar: &Registrar,
    (id, metadata): (&ClientId, ClientMetadata),
    token: SecretDigest,
) -> Result<Registered, RegistrationError> {
    check_offered(&ports.settings.features, &metadata)?;
    let (links, logout) = (metadata.links, metadata.logout);
    let is_closed = |uri: &String| uri.parse().is_ok_and(|url| ports.outbound.refuses(&url));
    for (member, mut addresses) in [
        (
            "backchannel_logout_uri",
            logout.backchannel_uri.as_slice().iter(),
        ),
        ("jwks_uri", metadata.jwks_uri.as_slice().iter()),
        ("request_uris", metadata.request_uris.iter()),
    ] {
        if addresses.any(is_closed) {
            let problem = "is not https or leads into a private network";
            return Err(MetadataError::new(member, problem).into());
        }
    }
    let by_assertion = matches!(
        metadata.authentication,
        ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::ClientSecretJwt
    );
    let command = RegisterClient {
        id: Some(id.as_str().to_owned()),
        kind: metadata.kind,
        authentication: Some(metadata.authentication),
        secret: None,
        settings: ClientEdit {
            name: Some(
                metadata
                    .name
                    .unwrap_or_else(|| host(&metadata.redirect_uris)),
            ),
            redirect_uris: Some(metadata.redirect_uris),
            post_logout_redirect_uris: Some(metadata.post_logout_redirect_uris),
            scope: Some(metadata.scope),
            response_types: Some(metadata.response_types),
            refreshes: Some(metadata.refreshes),
            pkce: Some(PkcePolicy::Optional),
            jwks: metadata.jwks,
            jwks_uri: Change::to(metadata.jwks_uri),
            request_uris: Some(metadata.request_uris),
            request_object_algorithm: Change::to(metadata.request_object_algorithm),
            userinfo_algorithm: Change::to(metadata.userinfo_algorithm),
            id_token_encryption: Change::to(metadata.id_token_encryption),
            userinfo_encryption: Change::to(metadata.userinfo_encryption),
            request_object_encryption: Change::to(metadata.request_object_encryption),
            // What OIDC Core §9 tells clients to do; nobody else can.
            assertion_audience: by_assertion.then_some(AssertionAudience::TokenEndpoint),
            id_token_algorithm: Some(metadata.id_token_algorithm),
            certificate_subject: metadata.certificate_subject,
            certificate_bound: Some(metadata.certificate_bound),
            default_max_age: Change::to(metadata.default_max_age),
            client_uri: Change::to(links.client),
            logo_uri: Change::to(links.logo),
            policy_uri: Change::to(links.policy),
            tos_uri: Change::to(links.terms),
            initiate_login_uri: Change::to(links.initiate_login),
            frontchannel_logout_uri: Change::to(logout.frontchannel_uri),
            backchannel_logout_uri: Change::to(logout.backchannel_uri),
            ..ClientEdit::default()
        },
    };
    let (mut client, secret) = register_client::check(registrar, command)?;
    metadata
        .authentication_algorithm
        .give_to(&mut client.authentication);
    client.registration = Some(SelfRegistration {
        token,
        contacts: metadata.contacts,
        software_id: metadata.software_id,
        software_version: metadata.software_version,
    });
    Ok(Registered { client, secret })
}

/// Refuses what this server does not offer.
fn check_offered(features: &Features, metadata: &ClientMetadata) -> Result<(), MetadataError> {
    if let Some(unknown) = metadata
        .response_types
        .iter()
        .find(|it| !features.response_types.contains(it))
    {
        let problem = format!("{unknown} is not supported");
        return Err(MetadataError::new("response_types", problem));
    }
    for (member, algorithm) in [
        (
            "id_token_signed_response_alg",
            Some(metadata.id_token_algorithm),
        ),
        ("userinfo_signed_response_alg", metadata.userinfo_algorithm),
    ] {
        if let Some(TokenAlgorithm::Signature(algorithm)) = algorithm
            && !features.algorithms.contains(&algorithm)
        {
            return Err(MetadataError::new(member, "there is no key for it"));
        }
    }
    let method = metadata.authentication;
    if !features.allows(Capability::ClientAuth(method)) {
        let problem = format!("{method} is not offered");
        return Err(MetadataError::new("token_endpoint_auth_method", problem));
    }
    if metadata.certificate_bound && features.certificates.is_none() {
        let member = "tls_client_certificate_bound_access_tokens";
        return Err(MetadataError::new(
            member,
            "certificates do not arrive here",
        ));
    }
    let encryption = metadata.request_object_encryption;
    if encryption.is_some_and(|it| !features.encryption_keys.contains(&it.alg.key())) {
        let member = "request_object_encryption_alg";
        return Err(MetadataError::new(member, "there is no key for it"));
    }
    Ok(())
}

/// What users are shown of a client without a name: where it lives.
fn host(redirect_uris: &[String]) -> String {
    let first = redirect_uris.first().and_then(|uri| uri.parse().ok());
    let host = first.and_then(|url: url::Url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "Application".to_owned())
}

/// The answer of RFC 7591 §3.2.1 and RFC 7592 §3, which has the registration access token each time.
fn told(ports: &Ports, registered: &Registered, token: &str) -> Map<String, Value> {
    let mut told = describe(&registered.client);
    if let Some(secret) = &registered.secret {
        told.insert("client_secret".into(), expose(secret).into());
        told.insert("client_secret_expires_at".into(), json!(0));
    }
    let path = format!("{}/{}", paths::REGISTER, registered.client.id);
    let uri = ports.settings.issuer.url(&path);
    told.insert("registration_client_uri".into(), uri.into());
    told.insert("registration_access_token".into(), token.into());
    told
}

fn expose(secret: &SecretString) -> &str {
    secret.expose_secret()
}

async fn record(
    ports: &Ports,
    work: &dyn UnitOfWork,
    (kind, id): (EventKind, &ClientId),
    origin: &Origin,
) -> Result<(), crate::application::ports::StoreError> {
    let about = About {
        client: Some(id.clone()),
        actor: Some(Actor::Client(id.clone())),
        detail: Some(json!({ "by": "dynamic registration" })),
        ..About::default()
    };
    let event = trail::event(&*ports.clock, &*ports.rng, kind, origin, about);
    work.record(&event).await
}
