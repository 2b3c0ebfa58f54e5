//! How the administration API shows what there is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    application::{commands::register_client::Registered, queries::outbox::WaitingMessage},
    domain::{
        algorithm::TokenAlgorithm,
        client::{AccessTokenFormat, Client},
        client_keys::KeySource,
        consent::Consent,
        event::AuditEvent,
        grant::GrantRecord,
        key::ServerKey,
        profile,
        resource::ResourceServer,
        role::{Authority, Group, Permission, Role},
        time::Timestamp,
        user::{Email, User, UserStatus},
        user_session::UserSession,
    },
    protocol::jwks::{Phase, phase},
};

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct UserView {
    /// The stable identifier, and the `sub` of tokens.
    pub(super) id: String,
    /// The name to log in with, in canonical form.
    username: String,
    /// The address to log in and be reached with.
    email: Option<String>,
    /// Whether the user proved to receive mail there.
    email_verified: bool,
    /// `active` or `inactive`.
    status: &'static str,
    /// The standard claims that are known, by name (OIDC Core §5.1).
    #[schema(value_type = BTreeMap<String, String>)]
    profile: BTreeMap<&'static str, String>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
    /// When the account is removed, because its user asked for that; Unix seconds. To activate it keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_due: Option<i64>,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            email: user.email.as_ref().map(Email::to_string),
            email_verified: user.email_verified,
            status: match user.status {
                UserStatus::Active => "active",
                UserStatus::Inactive => "inactive",
            },
            profile: profile::claims(&user.profile).collect(),
            created_at: user.created_at.0,
            updated_at: user.updated_at.0,
            deletion_due: user.deletion_due.map(|due| due.0),
        }
    }
}

/// A permission, everywhere or at one API.
#[derive(Serialize, ToSchema)]
pub(super) struct PermissionView {
    /// Such as `document:read`, `document:read:42` or `document:*`.
    pub(super) name: String,
    /// The resource indicator of the API where it holds; everywhere where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<String>,
}

/// A permission to be given, everywhere or at one API.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenPermission {
    /// Such as `document:read`, `document:read:42` or `document:*`.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// The resource indicator of the API where it holds; everywhere where absent.
    resource: Option<String>,
}

impl From<&Permission> for PermissionView {
    fn from(permission: &Permission) -> Self {
        Self {
            name: permission.name.clone(),
            resource: permission.resource.clone(),
        }
    }
}

impl From<GivenPermission> for Permission {
    fn from(given: GivenPermission) -> Self {
        Self {
            name: given.name,
            resource: given.resource,
        }
    }
}

/// What a user is allowed, and what is said of them besides.
#[derive(Serialize, ToSchema)]
pub(super) struct AccessView {
    /// Names of roles, own and through groups.
    roles: BTreeSet<String>,
    /// Names of groups, with those around them.
    groups: BTreeSet<String>,
    /// Permissions, each with the roles that have it.
    permissions: Vec<HeldView>,
    /// Direct claims.
    #[schema(value_type = Object)]
    claims: BTreeMap<String, Value>,
}

/// A permission that a user holds.
#[derive(Serialize, ToSchema)]
struct HeldView {
    #[serde(flatten)]
    permission: PermissionView,
    /// The roles that have it.
    roles: BTreeSet<String>,
}

impl From<Authority> for AccessView {
    fn from(authority: Authority) -> Self {
        let held = authority.permissions.into_iter();
        Self {
            roles: authority.roles,
            groups: authority.groups,
            permissions: held
                .map(|(permission, roles)| HeldView {
                    permission: (&permission).into(),
                    roles,
                })
                .collect(),
            claims: authority.claims,
        }
    }
}

/// Where a user is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// The `sid` of its ID tokens.
    id: String,
    /// Unix seconds.
    started_at: i64,
    /// Unix seconds, to the hour.
    seen_at: i64,
    /// When it ends by itself, Unix seconds.
    expires_at: i64,
    /// The network that it was last used from.
    address: Option<String>,
    /// What the browser or application says that it is.
    agent: Option<String>,
    /// The application that signed in without a browser.
    client_id: Option<String>,
}

impl From<UserSession> for SessionView {
    fn from(session: UserSession) -> Self {
        Self {
            id: session.id.to_string(),
            started_at: session.started_at.0,
            seen_at: session.seen_at.0,
            expires_at: session.expires_at.0,
            address: session.address,
            agent: session.agent,
            client_id: session.client.map(|client| client.to_string()),
        }
    }
}

/// What a user allowed an application.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsentView {
    /// The application.
    client_id: String,
    /// Everything that was allowed and not withdrawn.
    scope: String,
    /// Every claim that was allowed by name (OIDC Core §5.5).
    claims: BTreeSet<String>,
    /// When that last grew, Unix seconds.
    granted_at: i64,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        Self {
            client_id: consent.client.to_string(),
            scope: consent.scope.to_string(),
            claims: consent.claims,
            granted_at: consent.granted_at.0,
        }
    }
}

/// What one sign-in at an application allowed it; its tokens stand on it.
#[derive(Serialize, ToSchema)]
pub(super) struct GrantView {
    id: String,
    scope: String,
    /// Resource indicators; empty for the default audience.
    resources: Vec<String>,
    /// Unix seconds.
    granted_at: i64,
    /// Unix seconds.
    expires_at: i64,
    /// Unix seconds; absent as long as it stands.
    revoked_at: Option<i64>,
}

impl From<GrantRecord> for GrantView {
    fn from(record: GrantRecord) -> Self {
        Self {
            id: record.grant.id.to_string(),
            scope: record.grant.scope.to_string(),
            resources: record.grant.resources,
            granted_at: record.grant.granted_at.0,
            expires_at: record.expires_at.0,
            revoked_at: record.revoked_at.map(|at| at.0),
        }
    }
}

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleView {
    /// Its unique name, as it stands in the `roles` claim.
    name: String,
    /// For people.
    description: Option<String>,
    /// What it allows.
    permissions: Vec<PermissionView>,
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        Self {
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: role.permissions.iter().map(Into::into).collect(),
        }
    }
}

/// A named set of users who share roles.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupView {
    /// Its unique name, as it stands in the `groups` claim.
    name: String,
    /// Names of the roles that its members have.
    roles: BTreeSet<String>,
    /// The group around it.
    parent: Option<String>,
}

impl GroupView {
    /// A group of which the names are known.
    pub(super) fn named(name: String, roles: BTreeSet<String>, parent: Option<String>) -> Self {
        Self {
            name,
            roles,
            parent,
        }
    }

    /// A group with names in place of identifiers.
    pub(super) fn new(group: &Group, groups: &[Group], roles: &[Role]) -> Self {
        Self {
            name: group.name.clone(),
            roles: group.role_names(roles),
            parent: group.parent_name(groups).map(str::to_owned),
        }
    }
}

/// An application. Secrets are never shown again.
#[derive(Serialize, ToSchema)]
pub(super) struct ClientView {
    client_id: String,
    client_name: String,
    /// `spa`, `web`, `native` or `service`.
    kind: &'static str,
    /// `active` or `inactive`.
    status: &'static str,
    token_endpoint_auth_method: &'static str,
    /// When each of its secrets stops working, Unix seconds; null for never.
    secrets_expire_at: Vec<Option<i64>>,
    /// Its public keys, where they are registered by value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    grant_types: Vec<&'static str>,
    response_types: Vec<&'static str>,
    response_modes: Vec<&'static str>,
    scope: String,
    resources: BTreeSet<String>,
    allowed_origins: BTreeSet<String>,
    /// `required` or `optional`.
    #[schema(value_type = String)]
    pkce: Value,
    /// `remember`, `always` or `implied`.
    #[schema(value_type = String)]
    consent: Value,
    /// The name in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    tls_client_auth_subject: Option<Value>,
    tls_client_certificate_bound_access_tokens: bool,
    /// `jwt` or `opaque`.
    access_token_format: &'static str,
    id_token_signed_response_alg: String,
    /// `rotate` or `keep`.
    #[schema(value_type = String)]
    refresh_rotation: Value,
    /// Seconds; absent for the server's setting, as those below.
    access_token_lifetime: Option<u64>,
    /// Seconds.
    id_token_lifetime: Option<u64>,
    /// Seconds.
    refresh_idle: Option<u64>,
    /// Seconds.
    refresh_absolute: Option<u64>,
    /// Seconds.
    refresh_grace: Option<u64>,
    /// Seconds.
    default_max_age: Option<u64>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    initiate_login_uri: Option<String>,
    jwks_uri: Option<String>,
    request_uris: BTreeSet<String>,
    request_object_signing_alg: Option<&'static str>,
    userinfo_signed_response_alg: Option<&'static str>,
    /// `{"alg", "enc"}`.
    #[schema(value_type = Option<Object>)]
    id_token_encryption: Option<Value>,
    /// `{"alg", "enc"}`.
    #[schema(value_type = Option<Object>)]
    userinfo_encryption: Option<Value>,
    /// `{"alg", "enc"}`.
    #[schema(value_type = Option<Object>)]
    request_object_encryption: Option<Value>,
    frontchannel_logout_uri: Option<String>,
    backchannel_logout_uri: Option<String>,
    requests_per_minute: Option<u64>,
    /// What it may ask of its users' rights: docs/permissions.md.
    #[schema(value_type = Object)]
    rights: Value,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        let secrets = client.authentication.secrets().iter();
        Self {
            client_id: client.id.to_string(),
            client_name: client.name.clone(),
            kind: client.kind.as_str(),
            status: if client.is_active() {
                "active"
            } else {
                "inactive"
            },
            token_endpoint_auth_method: client.authentication.method().as_str(),
            secrets_expire_at: secrets
                .map(|secret| secret.expires_at.map(|at| at.0))
                .collect(),
            jwks: match client.key_source() {
                Some(KeySource::Set(jwks)) => Some(jwks.clone()),
                Some(KeySource::Uri(_)) | None => None,
            },
            redirect_uris: texts(client.redirect_uris.iter()),
            post_logout_redirect_uris: texts(client.post_logout_redirect_uris.iter()),
            grant_types: client.grant_types.iter().map(|it| it.as_str()).collect(),
            response_types: client.response_types.iter().map(|it| it.as_str()).collect(),
            response_modes: client.response_modes.iter().map(|it| it.as_str()).collect(),
            scope: client.scope.to_string(),
            resources: client.resources.clone(),
            allowed_origins: client.allowed_origins.clone(),
            pkce: json(&client.pkce),
            consent: json(&client.consent),
            tls_client_auth_subject: client.authentication.certificate_subject().map(json),
            tls_client_certificate_bound_access_tokens: client.tokens.certificate_bound,
            access_token_format: client.tokens.access_token_format.as_str(),
            id_token_signed_response_alg: client.tokens.id_token_algorithm.to_string(),
            refresh_rotation: json(&client.tokens.refresh_rotation),
            access_token_lifetime: seconds(client.tokens.access_token_lifetime),
            id_token_lifetime: seconds(client.tokens.id_token_lifetime),
            refresh_idle: seconds(client.tokens.refresh_idle),
            refresh_absolute: seconds(client.tokens.refresh_absolute),
            refresh_grace: seconds(client.tokens.refresh_grace),
            default_max_age: client.default_max_age,
            client_uri: client.links.client.clone(),
            logo_uri: client.links.logo.clone(),
            policy_uri: client.links.policy.clone(),
            tos_uri: client.links.terms.clone(),
            initiate_login_uri: client.links.initiate_login.clone(),
            jwks_uri: client.keys.jwks_uri.clone(),
            request_uris: client.request_objects.uris.clone(),
            request_object_signing_alg: client
                .request_objects
                .algorithm
                .map(TokenAlgorithm::as_str),
            userinfo_signed_response_alg: client.userinfo_algorithm.map(TokenAlgorithm::as_str),
            id_token_encryption: client.encryption.id_token.as_ref().map(json),
            userinfo_encryption: client.encryption.userinfo.as_ref().map(json),
            request_object_encryption: client.request_objects.encryption.as_ref().map(json),
            frontchannel_logout_uri: client.logout.frontchannel_uri.clone(),
            backchannel_logout_uri: client.logout.backchannel_uri.clone(),
            requests_per_minute: client.requests_per_minute,
            rights: json(&client.rights),
            created_at: client.created_at.0,
            updated_at: client.updated_at.0,
        }
    }
}

fn seconds(life: Option<std::time::Duration>) -> Option<u64> {
    life.map(|life| life.as_secs())
}

/// The word, or the object, that a setting is in JSON.
fn json(setting: &impl Serialize) -> Value {
    serde_json::to_value(setting).unwrap_or_default()
}

fn texts(items: impl Iterator<Item = impl ToString>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

/// A client with a secret that is shown now or never.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredView {
    #[serde(flatten)]
    client: ClientView,
    /// The secret, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl From<&Registered> for RegisteredView {
    fn from(registered: &Registered) -> Self {
        use secrecy::ExposeSecret as _;
        let secret = registered.secret.as_ref();
        Self {
            client: (&registered.client).into(),
            client_secret: secret.map(|secret| secret.expose_secret().to_owned()),
        }
    }
}

/// An API that tokens can be for.
#[derive(Serialize, ToSchema)]
pub(super) struct ResourceView {
    /// The resource indicator (RFC 8707), and the `aud` of its tokens.
    identifier: String,
    name: String,
    /// The scope values that mean something there.
    scope: String,
    /// `jwt` or `opaque`; the client decides where absent.
    access_token_format: Option<&'static str>,
    /// The client that may introspect its tokens.
    introspection_client: Option<String>,
}

impl From<&ResourceServer> for ResourceView {
    fn from(server: &ResourceServer) -> Self {
        Self {
            identifier: server.identifier.clone(),
            name: server.name.clone(),
            scope: server.scope.to_string(),
            access_token_format: server.access_token_format.map(AccessTokenFormat::as_str),
            introspection_client: server
                .introspection_client
                .as_ref()
                .map(ToString::to_string),
        }
    }
}

/// A signing key.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    kid: String,
    alg: String,
    /// `published`, `active`, `retiring` or `dead`.
    phase: &'static str,
    /// From when the JWK Set shows it, Unix seconds.
    published_at: i64,
    /// From when it signs, Unix seconds.
    active_at: i64,
    /// From when it only verifies, Unix seconds.
    retires_at: i64,
    /// From when it is gone, Unix seconds.
    dead_at: i64,
}

impl KeyView {
    /// A key as it is now.
    pub(super) fn new(key: &ServerKey, now: Timestamp) -> Self {
        Self {
            kid: key.kid.clone(),
            alg: key.algorithm.to_string(),
            phase: match phase(key, now) {
                Phase::Published => "published",
                Phase::Active => "active",
                Phase::Retiring => "retiring",
                Phase::Dead => "dead",
            },
            published_at: key.published_at.0,
            active_at: key.active_at.0,
            retires_at: key.retires_at.0,
            dead_at: key.dead_at.0,
        }
    }
}

/// A message that is not delivered; nothing of what it says.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageView {
    pub(super) id: String,
    /// What kind of delivery.
    #[schema(value_type = String)]
    kind: Value,
    /// The template of a mail.
    template: Option<String>,
    /// The recipient of a mail.
    to: Option<String>,
    /// Unix seconds.
    written_at: Option<i64>,
    attempts: u32,
    /// When it is tried next, Unix seconds; absent once it was given up.
    due_at: Option<i64>,
    /// When it was given up, Unix seconds.
    dead_at: Option<i64>,
    /// Why the latest attempt failed.
    error: Option<String>,
}

impl From<WaitingMessage> for MessageView {
    fn from(message: WaitingMessage) -> Self {
        let at = |at: Timestamp| at.0;
        Self {
            id: message.id,
            kind: json(&message.kind),
            template: message.template,
            to: message.to,
            written_at: message.written_at.map(at),
            attempts: message.attempts,
            due_at: message.due_at.map(at),
            dead_at: message.dead_at.map(at),
            error: message.error,
        }
    }
}

/// A line of the audit trail.
#[derive(Serialize, ToSchema)]
pub(super) struct EventView {
    id: String,
    /// Unix seconds.
    at: i64,
    /// The kind: docs/events.md.
    kind: &'static str,
    /// Who did it: `user:…`, `client:…`, `operator` or `system`.
    actor: Option<String>,
    user_id: Option<String>,
    client_id: Option<String>,
    grant_id: Option<String>,
    address: Option<String>,
    trace_id: Option<String>,
    /// Details without secrets.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<AuditEvent> for EventView {
    fn from(event: AuditEvent) -> Self {
        let actor = event.actor().map(|actor| actor.to_string());
        Self {
            id: event.id,
            at: event.at.0,
            kind: event.kind.as_str(),
            actor,
            user_id: event.user.map(|id| id.to_string()),
            client_id: event.client.map(|id| id.to_string()),
            grant_id: event.grant.map(|id| id.to_string()),
            address: event.address,
            trace_id: event.trace,
            detail: event.detail,
        }
    }
}
