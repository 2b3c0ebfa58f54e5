//! Changing what is registered of a client (RFC 7591 §2, OIDC Registration §2): everything but its
//! identifier, its kind and the way in which it authenticates, which make another client of it.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    change_client::take_client,
    client_keys, client_logout,
    register_client::{check_label, check_redirects, check_rights, origins, response_modes, uris},
    register_resource::check_indicator,
};
use crate::{
    application::{
        client_secrets,
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::{self, About},
    },
    domain::{
        algorithm::{Encryption, TokenAlgorithm},
        certificate::CertificateSubject,
        client::{
            AccessTokenFormat, AssertionAudience, Client, ClientAuthentication, ClientKind,
            ConsentPolicy, GrantType, PkcePolicy, RefreshRotation, ResponseMode,
        },
        client_rights::ClientRights,
        event::EventKind,
        id::ClientId,
        profile,
        response_type::ResponseType,
        scope::Scope,
    },
};

/// Lives of access and ID tokens: a key is shown for a day after it signed.
const TOKEN_LIFE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_hours(24));
/// Lives of refresh tokens.
const REFRESH_LIFE: (Duration, Duration) =
    (Duration::from_mins(1), Duration::from_hours(24 * 3660));
/// How long a refresh token that was rotated may be retried.
const GRACE: (Duration, Duration) = (Duration::ZERO, Duration::from_mins(5));
/// What a link that users are shown must be.
const NO_LINK: &str = "must be an https address without a user, at most 2000 bytes long";

/// What becomes of a setting that need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is this.
    Set(T),
    /// It is not there: the server's setting holds.
    Unset,
}

impl<T> Change<T> {
    /// As [`Change::Set`] if there is something.
    pub fn to(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }

    /// The same of what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Set(value) => Change::Set(f(value)),
            Self::Unset => Change::Unset,
        }
    }

    pub(super) fn apply(self, setting: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(value) => *setting = Some(value),
            Self::Unset => *setting = None,
        }
    }
}

/// Null takes it away; a member that is absent, which never gets here, keeps it.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(value.map_or(Self::Unset, Self::Set))
    }
}

/// What is to be another. What is absent stays as it is.
#[derive(Debug, Default)]
pub struct ClientEdit {
    /// `client_name`
    pub name: Option<String>,
    /// `redirect_uris`, all of them.
    pub redirect_uris: Option<Vec<String>>,
    /// `post_logout_redirect_uris`, all of them.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Every scope value that it may ask for.
    pub scope: Option<Scope>,
    /// Every resource indicator that it may ask for.
    pub resources: Option<Vec<String>>,
    /// Browser origins that may call the token endpoint, all of them.
    pub origins: Option<Vec<String>>,
    /// The response modes that it may be answered in; every one where empty.
    pub response_modes: Option<BTreeSet<ResponseMode>>,
    /// The response types that it may ask for; `code` where empty. Its grant types follow.
    pub response_types: Option<BTreeSet<ResponseType>>,
    /// Whether its codes may lead to refresh tokens.
    pub refreshes: Option<bool>,
    /// Whether authorization requests need PKCE.
    pub pkce: Option<PkcePolicy>,
    /// When users are asked.
    pub consent: Option<ConsentPolicy>,
    /// Its public keys: for `private_key_jwt` and for request objects.
    pub jwks: Option<Value>,
    /// Where its public keys are, instead.
    pub jwks_uri: Change<String>,
    /// `request_uris`, all of them.
    pub request_uris: Option<Vec<String>>,
    /// `request_object_signing_alg`
    pub request_object_algorithm: Change<TokenAlgorithm>,
    /// `userinfo_signed_response_alg`
    pub userinfo_algorithm: Change<TokenAlgorithm>,
    /// `id_token_encrypted_response_alg`, `…_enc`
    pub id_token_encryption: Change<Encryption>,
    /// `userinfo_encrypted_response_alg`, `…_enc`
    pub userinfo_encryption: Change<Encryption>,
    /// `request_object_encryption_alg`, `…_enc`
    pub request_object_encryption: Change<Encryption>,
    /// Whom its assertions may be addressed to.
    pub assertion_audience: Option<AssertionAudience>,
    /// Shape of access tokens.
    pub access_token_format: Option<AccessTokenFormat>,
    /// `id_token_signed_response_alg`
    pub id_token_algorithm: Option<TokenAlgorithm>,
    /// The name in the certificate of a client that authenticates by one.
    pub certificate_subject: Option<CertificateSubject>,
    /// `tls_client_certificate_bound_access_tokens`
    pub certificate_bound: Option<bool>,
    /// Whether refresh tokens rotate.
    pub refresh_rotation: Option<RefreshRotation>,
    /// Life of access tokens.
    pub access_token_lifetime: Change<Duration>,
    /// Life of ID tokens.
    pub id_token_lifetime: Change<Duration>,
    /// A refresh token unused for this long is dead.
    pub refresh_idle: Change<Duration>,
    /// A refresh family is dead after this, used or not.
    pub refresh_absolute: Change<Duration>,
    /// How long the previous refresh token may be retried.
    pub refresh_grace: Change<Duration>,
    /// `default_max_age`, seconds.
    pub default_max_age: Change<u64>,
    /// `client_uri`
    pub client_uri: Change<String>,
    /// `logo_uri`
    pub logo_uri: Change<String>,
    /// `policy_uri`
    pub policy_uri: Change<String>,
    /// `tos_uri`
    pub tos_uri: Change<String>,
    /// `initiate_login_uri`
    pub initiate_login_uri: Change<String>,
    /// `frontchannel_logout_uri`
    pub frontchannel_logout_uri: Change<String>,
    /// `backchannel_logout_uri`
    pub backchannel_logout_uri: Change<String>,
    /// Requests that are answered in a minute, at each endpoint.
    pub requests_per_minute: Change<u64>,
    /// What it may ask of its users' rights.
    pub rights: Option<ClientRights>,
}

/// Changes a client. Tokens that it has stay; what it asks for next follows.
pub async fn edit_client(
    registrar: &Registrar,
    id: &ClientId,
    edit: ClientEdit,
) -> Result<Client, RegistrarError> {
    let work = registrar.store.begin().await?;
    let before = take_client(registrar, &*work, id).await?;
    let mut client = before.clone();
    apply(registrar, &mut client, edit)?;
    client_secrets::check(registrar, &client)?;
    if client == before {
        return Ok(client);
    }
    check_resources(&*work, client.resources.difference(&before.resources)).await?;
    registrar.commands(&*work, &client).await?;
    client.updated_at = registrar.clock.now();
    work.update_client(&client).await?;
    let about = About {
        client: Some(client.id.clone()),
        detail: Some(trail::changes(&before, &client)),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::ClientChanged, about)
        .await?;
    work.commit().await?;
    Ok(client)
}

/// Refuses an API that nobody made known.
pub(super) async fn check_resources(
    work: &dyn UnitOfWork,
    resources: impl Iterator<Item = &String> + Send,
) -> Result<(), RegistrarError> {
    for resource in resources {
        if work.resource_server(resource).await?.is_none() {
            return Err(RegistrarError::NotFound("resource", resource.clone()));
        }
    }
    Ok(())
}

/// Every rule of registration holds for what comes of it.
pub(super) fn apply(
    registrar: &Registrar,
    client: &mut Client,
    mut edit: ClientEdit,
) -> Result<(), RegistrarError> {
    tokens(client, &mut edit)?;
    links(client, &mut edit)?;
    client_keys::apply(registrar, client, &mut edit)?;
    if let Some(name) = edit.name {
        check_label(&name)?;
        client.name = name;
    }
    if let Some(texts) = edit.redirect_uris {
        client.redirect_uris = uris("redirect_uri", &texts)?;
    }
    check_redirects(client.kind, &client.redirect_uris)?;
    if let Some(texts) = edit.post_logout_redirect_uris {
        client.post_logout_redirect_uris = uris("post_logout_redirect_uri", &texts)?;
    }
    client_logout::apply(
        client,
        std::mem::take(&mut edit.frontchannel_logout_uri),
        std::mem::take(&mut edit.backchannel_logout_uri),
    )?;
    if let Some(resources) = edit.resources {
        for resource in &resources {
            check_indicator(resource)?;
        }
        client.resources = resources.into_iter().collect();
    }
    if let Some(texts) = edit.origins {
        client.allowed_origins = origins(&texts)?;
    }
    if let Some(modes) = edit.response_modes {
        client.response_modes = response_modes(client.kind, modes)?;
    }
    if let Some(types) = edit.response_types {
        set_response_types(client, types)?;
    }
    if let Some(refreshes) = edit.refreshes {
        if refreshes && client.grant_types.contains(&GrantType::AuthorizationCode) {
            client.grant_types.insert(GrantType::RefreshToken);
        } else {
            client.grant_types.remove(&GrantType::RefreshToken);
        }
    }
    check_unsecured(client)?;
    certificates(client, edit.certificate_subject, edit.certificate_bound)?;
    client.scope = edit.scope.unwrap_or_else(|| client.scope.clone());
    client.pkce = edit.pkce.unwrap_or(client.pkce);
    client.consent = edit.consent.unwrap_or(client.consent);
    edit.default_max_age.apply(&mut client.default_max_age);
    if edit.requests_per_minute == Change::Set(0) {
        let problem = "none at all is what disabling the client is for";
        return Err(RegistrarError::invalid("requests_per_minute", problem));
    }
    edit.requests_per_minute
        .apply(&mut client.requests_per_minute);
    if let Some(rights) = edit.rights {
        client.rights = rights;
    }
    check_rights(client.kind, client.consent, &client.rights)
}

/// A response type works only with the grant types that belong to it (OIDC Registration §2).
fn set_response_types(
    client: &mut Client,
    mut types: BTreeSet<ResponseType>,
) -> Result<(), RegistrarError> {
    if client.kind == ClientKind::Service {
        if types.is_empty() {
            return Ok(());
        }
        let problem = "a service gets no authorization response";
        return Err(RegistrarError::invalid("response_type", problem));
    }
    if types.is_empty() {
        types.insert(ResponseType::CODE);
    }
    let grants = &mut client.grant_types;
    let had_code = grants.remove(&GrantType::AuthorizationCode);
    grants.remove(&GrantType::Implicit);
    grants.extend(types.iter().flat_map(|it| it.grant_types()));
    // Refreshing goes with codes: it comes with the first and goes with the last.
    match (had_code, grants.contains(&GrantType::AuthorizationCode)) {
        (false, true) => drop(grants.insert(GrantType::RefreshToken)),
        (true, false) => drop(grants.remove(&GrantType::RefreshToken)),
        (true, true) | (false, false) => {}
    }
    client.response_types = types;
    Ok(())
}

/// Who its certificate names, and whether its tokens are bound to it (RFC 8705 §2.1, §3).
fn certificates(
    client: &mut Client,
    wanted: Option<CertificateSubject>,
    bound: Option<bool>,
) -> Result<(), RegistrarError> {
    match (&mut client.authentication, wanted) {
        (ClientAuthentication::TlsClientAuth { subject }, Some(wanted)) => *subject = wanted,
        (_, Some(_)) => {
            let problem = "is only for tls_client_auth";
            return Err(RegistrarError::invalid("tls_subject", problem));
        }
        (_, None) => {}
    }
    if client.authentication == ClientAuthentication::SelfSignedTlsClientAuth
        && client.key_source().is_none()
    {
        let problem = "self_signed_tls_client_auth needs keys with their certificates (x5c)";
        return Err(RegistrarError::invalid("jwks", problem));
    }
    client.tokens.certificate_bound = bound.unwrap_or(client.tokens.certificate_bound);
    if !client.tokens.certificate_bound {
        return Ok(());
    }
    let problem = if client.is_public() {
        "only the tokens of clients that prove who they are can be bound"
    } else if client.response_types.iter().any(|it| it.has_token()) {
        "a token that goes through the browser cannot be bound to the client's certificate"
    } else {
        return Ok(());
    };
    Err(RegistrarError::invalid("certificate_bound", problem))
}

/// An ID token that nothing secures must not go through the browser (OIDC Registration §2).
fn check_unsecured(client: &Client) -> Result<(), RegistrarError> {
    let through_browser = client.response_types.iter().any(|it| it.has_id_token());
    if client.tokens.id_token_algorithm == TokenAlgorithm::None && through_browser {
        let problem = "none is only for clients whose ID tokens all come from the token endpoint";
        return Err(RegistrarError::invalid("id_token_alg", problem));
    }
    Ok(())
}

/// Shape and life of its tokens.
fn tokens(client: &mut Client, edit: &mut ClientEdit) -> Result<(), RegistrarError> {
    let tokens = &mut client.tokens;
    if let Some(format) = edit.access_token_format {
        tokens.access_token_format = format;
    }
    if let Some(algorithm) = edit.id_token_algorithm {
        tokens.id_token_algorithm = algorithm;
    }
    if let Some(rotation) = edit.refresh_rotation {
        tokens.refresh_rotation = rotation;
    }
    let lives = [
        (
            "access_token_lifetime",
            &mut edit.access_token_lifetime,
            &mut tokens.access_token_lifetime,
            TOKEN_LIFE,
        ),
        (
            "id_token_lifetime",
            &mut edit.id_token_lifetime,
            &mut tokens.id_token_lifetime,
            TOKEN_LIFE,
        ),
        (
            "refresh_idle",
            &mut edit.refresh_idle,
            &mut tokens.refresh_idle,
            REFRESH_LIFE,
        ),
        (
            "refresh_absolute",
            &mut edit.refresh_absolute,
            &mut tokens.refresh_absolute,
            REFRESH_LIFE,
        ),
        (
            "refresh_grace",
            &mut edit.refresh_grace,
            &mut tokens.refresh_grace,
            GRACE,
        ),
    ];
    for (field, change, setting, (least, most)) in lives {
        let change = std::mem::take(change);
        if let Change::Set(life) = &change
            && !(least..=most).contains(life)
        {
            let (least, most) = (least.as_secs(), most.as_secs());
            let problem = format!("must be {least} to {most} seconds");
            return Err(RegistrarError::invalid(field, problem));
        }
        change.apply(setting);
    }
    Ok(())
}

/// What users are shown besides the name: https only, as the pages would show nothing else.
fn links(client: &mut Client, edit: &mut ClientEdit) -> Result<(), RegistrarError> {
    let links = &mut client.links;
    let all = [
        ("client_uri", &mut edit.client_uri, &mut links.client),
        ("logo_uri", &mut edit.logo_uri, &mut links.logo),
        ("policy_uri", &mut edit.policy_uri, &mut links.policy),
        ("tos_uri", &mut edit.tos_uri, &mut links.terms),
        (
            "initiate_login_uri",
            &mut edit.initiate_login_uri,
            &mut links.initiate_login,
        ),
    ];
    for (field, change, link) in all {
        let change = std::mem::take(change);
        if let Change::Set(text) = &change {
            profile::url(text).map_err(|_| RegistrarError::invalid(field, NO_LINK))?;
        }
        change.apply(link);
    }
    Ok(())
}
