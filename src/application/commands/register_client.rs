//! Registering a client (the metadata of RFC 7591 §2 and OIDC Registration §2), by an operator.
//!
//! Every kind of application has a preset that is safe and works; the operator widens it knowingly.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::edit_client::{self, ClientEdit, check_resources};
use crate::{
    application::{
        client_secrets,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        administration::Right,
        algorithm::SigningAlgorithm,
        certificate::CertificateSubject,
        client::{
            AccessTokenFormat, AssertionAudience, Client, ClientAuthMethod, ClientAuthentication,
            ClientKind, ClientLinks, ClientSecret, ClientStatus, ConsentPolicy, GrantType,
            PkcePolicy, RefreshRotation, ResponseMode, TokenPolicy,
        },
        client_encryption::ClientEncryption,
        client_keys::ClientKeys,
        client_logout::ClientLogout,
        client_rights::ClientRights,
        event::EventKind,
        id::ClientId,
        redirect_uri::{RedirectUri, is_loopback},
        request_objects::RequestObjects,
        response_type::ResponseType,
        scope::Scope,
        secret::SecretDigest,
        time::Timestamp,
    },
};

/// Bytes of a secret that the operator brings, at least: it is stored as a plain digest, which only
/// a random secret withstands.
const LEAST_SECRET: usize = 32;
const MOST_NAME: usize = 100;

/// A client to be.
pub struct RegisterClient {
    /// `client_id`; generated where absent.
    pub id: Option<String>,
    /// What kind of application it is.
    pub kind: ClientKind,
    /// How it authenticates; the kind's usual way where absent.
    pub authentication: Option<ClientAuthMethod>,
    /// A secret that exists already; generated where absent.
    pub secret: Option<SecretString>,
    /// Whatever can be changed later; what is kept is what is usual for the kind.
    pub settings: ClientEdit,
}

impl RegisterClient {
    /// The preset of a kind.
    pub fn preset(kind: ClientKind, name: impl Into<String>) -> Self {
        Self::with(
            kind,
            ClientEdit {
                name: Some(name.into()),
                ..ClientEdit::default()
            },
        )
    }

    /// The preset of a kind, but for these settings.
    pub fn with(kind: ClientKind, settings: ClientEdit) -> Self {
        Self {
            id: None,
            kind,
            authentication: None,
            secret: None,
            settings,
        }
    }
}

/// A registered client, and its secret if it has one. The secret is shown now or never.
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret.
    pub secret: Option<SecretString>,
}

/// Registers a client.
pub async fn register_client(
    registrar: &Registrar,
    command: RegisterClient,
) -> Result<Registered, RegistrarError> {
    registrar.may(Right::ClientsWrite)?;
    let (client, secret) = check(registrar, command)?;
    let work = registrar.store.begin().await?;
    check_resources(&*work, client.resources.iter()).await?;
    registrar.commands(&*work, &client).await?;
    work.add_client(&client).await?;
    let about = About {
        client: Some(client.id.clone()),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::ClientCreated, about)
        .await?;
    work.commit().await?;
    Ok(Registered { client, secret })
}

/// Every rule once.
pub(super) fn check(
    registrar: &Registrar,
    command: RegisterClient,
) -> Result<(Client, Option<SecretString>), RegistrarError> {
    let RegisterClient {
        id,
        kind,
        authentication: method,
        secret,
        mut settings,
    } = command;
    let id = client_id(registrar, id.as_deref())?;
    let proof = Proof {
        kind,
        method,
        secret,
        has_keys: settings.jwks.is_some()
            || matches!(settings.jwks_uri, edit_client::Change::Set(_)),
        subject: settings.certificate_subject.clone(),
    };
    let (authentication, secret) = authentication(registrar, proof)?;
    // Every client has one, and applying checks it.
    settings.name.get_or_insert_default();
    let mut client = usual(kind, id, authentication, registrar.clock.now())?;
    edit_client::apply(registrar, &mut client, settings)?;
    if let Some(secret) = secret.as_ref().filter(|_| client.needs_readable_secret()) {
        let sealed = client_secrets::seal(registrar, &client, secret)?;
        for stored in client.authentication.secrets_mut().into_iter().flatten() {
            stored.sealed = Some(sealed.clone());
        }
    }
    client_secrets::check(registrar, &client)?;
    Ok((client, secret))
}

/// A client of this kind as long as nobody says otherwise.
fn usual(
    kind: ClientKind,
    id: ClientId,
    authentication: ClientAuthentication,
    now: Timestamp,
) -> Result<Client, RegistrarError> {
    let is_service = kind == ClientKind::Service;
    Ok(Client {
        id,
        name: String::new(),
        kind,
        status: ClientStatus::Active,
        authentication,
        redirect_uris: BTreeSet::new(),
        post_logout_redirect_uris: BTreeSet::new(),
        grant_types: grant_types(kind),
        response_types: if is_service {
            BTreeSet::new()
        } else {
            [ResponseType::CODE].into()
        },
        response_modes: response_modes(kind, BTreeSet::new())?,
        scope: default_scope(kind)?,
        resources: BTreeSet::new(),
        pkce: PkcePolicy::Required,
        consent: ConsentPolicy::Remember,
        tokens: token_policy(),
        default_max_age: None,
        allowed_origins: BTreeSet::new(),
        links: ClientLinks::default(),
        requests_per_minute: None,
        rights: ClientRights::default(),
        keys: ClientKeys::default(),
        request_objects: RequestObjects::default(),
        userinfo_algorithm: None,
        encryption: ClientEncryption::default(),
        logout: ClientLogout::default(),
        registration: None,
        not_before: Timestamp(0),
        created_at: now,
        updated_at: now,
    })
}

pub(super) fn response_modes(
    kind: ClientKind,
    wanted: BTreeSet<ResponseMode>,
) -> Result<BTreeSet<ResponseMode>, RegistrarError> {
    match kind {
        ClientKind::Service if wanted.is_empty() => Ok(wanted),
        ClientKind::Service => Err(RegistrarError::invalid(
            "response_mode",
            "a service gets no authorization response",
        )),
        ClientKind::Spa | ClientKind::Web | ClientKind::Native if wanted.is_empty() => {
            Ok(ResponseMode::ALL.iter().copied().collect())
        }
        ClientKind::Spa | ClientKind::Web | ClientKind::Native => Ok(wanted),
    }
}

fn client_id(registrar: &Registrar, wanted: Option<&str>) -> Result<ClientId, RegistrarError> {
    let Some(text) = wanted else {
        return Ok(ClientId::new(format!("c-{}", registrar.uuid())));
    };
    ClientId::register(text).map_err(|error| RegistrarError::invalid("client_id", error))
}

pub(super) fn check_label(name: &str) -> Result<(), RegistrarError> {
    if name.trim().is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
        let problem = format!("must be 1 to {MOST_NAME} bytes without control characters");
        return Err(RegistrarError::invalid("client_name", problem));
    }
    Ok(())
}

/// The rights that a client may have, given what it is otherwise.
pub(super) fn check_rights(
    kind: ClientKind,
    consent: ConsentPolicy,
    rights: &ClientRights,
) -> Result<(), RegistrarError> {
    rights
        .check()
        .map_err(|error| RegistrarError::invalid("rights", error))?;
    // Nobody is shown a page on which to consent.
    if rights.may_log_in() && (kind == ClientKind::Service || consent != ConsentPolicy::Implied) {
        let problem = "the JSON login is for applications with users whose consent is implied";
        return Err(RegistrarError::invalid("first_party_login", problem));
    }
    Ok(())
}

/// How a client to be wants to prove who it is.
struct Proof {
    kind: ClientKind,
    method: Option<ClientAuthMethod>,
    secret: Option<SecretString>,
    /// Whether it says what its keys are, or where.
    has_keys: bool,
    /// The name in its certificate.
    subject: Option<CertificateSubject>,
}

fn authentication(
    registrar: &Registrar,
    proof: Proof,
) -> Result<(ClientAuthentication, Option<SecretString>), RegistrarError> {
    let Proof {
        kind,
        method,
        secret,
        has_keys,
        subject,
    } = proof;
    let method = method.unwrap_or(match kind {
        _ if has_keys => ClientAuthMethod::PrivateKeyJwt,
        ClientKind::Spa | ClientKind::Native => ClientAuthMethod::None,
        ClientKind::Web | ClientKind::Service => ClientAuthMethod::ClientSecretBasic,
    });
    if secret.is_some() && !method.has_secret() {
        let problem = format!("is not for {method}");
        return Err(RegistrarError::invalid("secret", problem));
    }
    if kind == ClientKind::Spa && method != ClientAuthMethod::None {
        let problem = "a script in the browser cannot keep a secret: use --web for an application with a server";
        return Err(RegistrarError::invalid("auth_method", problem));
    }
    let by_secret = |make: fn(Vec<ClientSecret>) -> ClientAuthentication| {
        let (stored, secret) = new_secret(registrar, secret.as_ref())?;
        Ok((make(vec![stored]), Some(secret)))
    };
    match method {
        ClientAuthMethod::None if kind == ClientKind::Service => Err(RegistrarError::invalid(
            "auth_method",
            "a service cannot be public",
        )),
        ClientAuthMethod::None => Ok((ClientAuthentication::None, None)),
        ClientAuthMethod::PrivateKeyJwt => {
            if !has_keys {
                let problem = "private_key_jwt needs the public keys";
                return Err(RegistrarError::invalid("jwks", problem));
            }
            let authentication = ClientAuthentication::PrivateKeyJwt {
                // Filled, and checked, with the other settings.
                jwks: json!({ "keys": [] }),
                algorithm: None,
                audience: AssertionAudience::Issuer,
            };
            Ok((authentication, None))
        }
        ClientAuthMethod::TlsClientAuth => {
            let Some(subject) = subject else {
                let problem = "tls_client_auth needs the name in the certificate";
                return Err(RegistrarError::invalid("tls_subject", problem));
            };
            Ok((ClientAuthentication::TlsClientAuth { subject }, None))
        }
        ClientAuthMethod::SelfSignedTlsClientAuth => {
            Ok((ClientAuthentication::SelfSignedTlsClientAuth, None))
        }
        ClientAuthMethod::ClientSecretBasic => {
            by_secret(|secrets| ClientAuthentication::ClientSecretBasic { secrets })
        }
        ClientAuthMethod::ClientSecretPost => {
            by_secret(|secrets| ClientAuthentication::ClientSecretPost { secrets })
        }
        ClientAuthMethod::ClientSecretJwt => {
            by_secret(|secrets| ClientAuthentication::ClientSecretJwt {
                secrets,
                algorithm: None,
                audience: AssertionAudience::Issuer,
            })
        }
    }
}

/// A secret as it rests and as it is told.
pub(super) fn new_secret(
    registrar: &Registrar,
    given: Option<&SecretString>,
) -> Result<(ClientSecret, SecretString), RegistrarError> {
    let secret = match given {
        Some(secret) => {
            let text = secret.expose_secret();
            let is_plain = (LEAST_SECRET..=256).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic());
            if !is_plain {
                let problem =
                    format!("must be {LEAST_SECRET} to 256 random printable ASCII characters");
                return Err(RegistrarError::invalid("secret", problem));
            }
            secret.clone()
        }
        None => registrar.client_secret().into(),
    };
    let stored = ClientSecret {
        digest: SecretDigest::of(secret.expose_secret()),
        expires_at: None,
        sealed: None,
    };
    Ok((stored, secret))
}

pub(super) fn uris(
    field: &'static str,
    texts: &[String],
) -> Result<BTreeSet<RedirectUri>, RegistrarError> {
    texts
        .iter()
        .map(|text| {
            RedirectUri::parse(text)
                .map_err(|error| RegistrarError::invalid(field, format!("{text:?}: {error}")))
        })
        .collect()
}

pub(super) fn check_redirects(
    kind: ClientKind,
    uris: &BTreeSet<RedirectUri>,
) -> Result<(), RegistrarError> {
    let problem = match (kind, uris.is_empty()) {
        (ClientKind::Service, false) => "a service has no users to send anywhere",
        (ClientKind::Spa | ClientKind::Web | ClientKind::Native, true) => {
            "at least one is needed to send users back to"
        }
        (ClientKind::Spa | ClientKind::Web, false) if uris.iter().any(is_private_scheme) => {
            "only native applications have schemes of their own"
        }
        _ => return Ok(()),
    };
    Err(RegistrarError::invalid("redirect_uri", problem))
}

fn is_private_scheme(uri: &RedirectUri) -> bool {
    let text = uri.as_str();
    !text.starts_with("https://") && !text.starts_with("http://")
}

/// Origins as browsers send them: scheme, host, and port if unusual (RFC 6454 §6.2).
pub(super) fn origins(texts: &[String]) -> Result<BTreeSet<String>, RegistrarError> {
    texts
        .iter()
        .map(|text| {
            let url = Url::parse(text).ok();
            let is_origin = url.as_ref().is_some_and(|url| {
                url.origin().ascii_serialization() == *text
                    && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
            });
            if is_origin {
                return Ok(text.clone());
            }
            let problem =
                format!("{text:?} is no origin such as https://app.example, without a path");
            Err(RegistrarError::invalid("origin", problem))
        })
        .collect()
}

fn grant_types(kind: ClientKind) -> BTreeSet<GrantType> {
    match kind {
        ClientKind::Spa | ClientKind::Web | ClientKind::Native => {
            [GrantType::AuthorizationCode, GrantType::RefreshToken].into()
        }
        ClientKind::Service => [GrantType::ClientCredentials].into(),
    }
}

fn default_scope(kind: ClientKind) -> Result<Scope, RegistrarError> {
    match kind {
        ClientKind::Spa | ClientKind::Web | ClientKind::Native => {
            "openid profile email offline_access"
                .parse()
                .map_err(|error| RegistrarError::invalid("scope", error))
        }
        ClientKind::Service => Ok(Scope::empty()),
    }
}

fn token_policy() -> TokenPolicy {
    TokenPolicy {
        access_token_format: AccessTokenFormat::Jwt,
        access_token_lifetime: None,
        id_token_lifetime: None,
        id_token_algorithm: SigningAlgorithm::Rs256.into(),
        certificate_bound: false,
        refresh_rotation: RefreshRotation::Rotate,
        refresh_idle: None,
        refresh_absolute: None,
        refresh_grace: None,
    }
}
