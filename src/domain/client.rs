//! Clients and their metadata (RFC 6749 §2, RFC 7591 §2, OIDC Registration §2).

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    algorithm::{MacAlgorithm, TokenAlgorithm},
    client_encryption::ClientEncryption,
    client_keys::ClientKeys,
    client_logout::ClientLogout,
    client_registration::SelfRegistration,
    client_rights::ClientRights,
    id::ClientId,
    names::registered_names,
    redirect_uri::RedirectUri,
    request_objects::RequestObjects,
    response_type::ResponseType,
    scope::Scope,
    time::Timestamp,
};

pub use super::client_authentication::*;

/// An application that asks for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`
    pub id: ClientId,
    /// `client_name`, shown to users.
    pub name: String,
    /// What kind of application it is.
    pub kind: ClientKind,
    /// Whether it may do anything at all.
    pub status: ClientStatus,
    /// `token_endpoint_auth_method`
    pub authentication: ClientAuthentication,
    /// `redirect_uris`
    pub redirect_uris: BTreeSet<RedirectUri>,
    /// `post_logout_redirect_uris` (RP-Initiated Logout §3.1)
    pub post_logout_redirect_uris: BTreeSet<RedirectUri>,
    /// `grant_types`
    pub grant_types: BTreeSet<GrantType>,
    /// `response_types`
    pub response_types: BTreeSet<ResponseType>,
    /// The response modes it may be answered in.
    pub response_modes: BTreeSet<ResponseMode>,
    /// Every scope value it may ask for.
    pub scope: Scope,
    /// Every resource indicator it may ask for (RFC 8707).
    pub resources: BTreeSet<String>,
    /// Whether authorization requests need a PKCE challenge. Public clients always do.
    pub pkce: PkcePolicy,
    /// When its users are asked for consent.
    pub consent: ConsentPolicy,
    /// Shape and life of its tokens.
    pub tokens: TokenPolicy,
    /// `default_max_age`, seconds (OIDC Registration §2)
    pub default_max_age: Option<u64>,
    /// Browser origins that may call the token, userinfo and revocation endpoints.
    pub allowed_origins: BTreeSet<String>,
    /// What users are shown besides the name. All https.
    pub links: ClientLinks,
    /// Requests that are answered in a minute, at each endpoint; the server's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// What it may ask of its users' rights, and in which claims it hears of them.
    #[serde(default)]
    pub rights: ClientRights,
    /// Its public keys, besides those that it authenticates with by value.
    #[serde(default)]
    pub keys: ClientKeys,
    /// How its authorization requests may come.
    #[serde(default)]
    pub request_objects: RequestObjects,
    /// `userinfo_signed_response_alg`; userinfo is plain JSON where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_algorithm: Option<TokenAlgorithm>,
    /// How its tokens are encrypted.
    #[serde(default, skip_serializing_if = "ClientEncryption::is_none")]
    pub encryption: ClientEncryption,
    /// How it hears that a session has ended.
    #[serde(default)]
    pub logout: ClientLogout,
    /// Of a client that registered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<SelfRegistration>,
    /// Grants and tokens from before this moment are dead.
    pub not_before: Timestamp,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

impl Client {
    /// Whether it may do anything at all.
    pub fn is_active(&self) -> bool {
        self.status == ClientStatus::Active
    }

    /// Whether it cannot keep a secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        matches!(self.authentication, ClientAuthentication::None)
    }

    /// Whether an authorization request without a challenge is refused (RFC 9700 §2.1.1).
    pub fn requires_pkce(&self) -> bool {
        self.is_public() || self.pkce == PkcePolicy::Required
    }

    /// How it is answered where a request names no mode that it may use, or names one where nobody
    /// can read it, as in a request object that is refused: by the default of the response type
    /// (OAuth 2.0 Multiple Response Types §2.1) if that is registered, else by the first that is and
    /// may carry it.
    pub fn default_response_mode(&self, response_type: ResponseType) -> ResponseMode {
        let usual = response_type.default_mode();
        if self.response_modes.contains(&usual) {
            return usual;
        }
        let mut modes = self.response_modes.iter().copied();
        modes
            .find(|mode| response_type.may_travel_by(*mode))
            .unwrap_or(usual)
    }

    /// The MACs that are made or verified with its secret.
    pub fn macs(&self) -> impl Iterator<Item = MacAlgorithm> {
        let assertions = match &self.authentication {
            // Any will do, so the least is HS256.
            ClientAuthentication::ClientSecretJwt { algorithm, .. } => {
                Some(algorithm.unwrap_or(MacAlgorithm::Hs256))
            }
            ClientAuthentication::None
            | ClientAuthentication::ClientSecretBasic { .. }
            | ClientAuthentication::ClientSecretPost { .. }
            | ClientAuthentication::PrivateKeyJwt { .. }
            | ClientAuthentication::TlsClientAuth { .. }
            | ClientAuthentication::SelfSignedTlsClientAuth => None,
        };
        let tokens = [
            Some(self.tokens.id_token_algorithm),
            self.userinfo_algorithm,
            self.request_objects.algorithm,
        ];
        let tokens = tokens.into_iter().flatten().filter_map(|it| match it {
            TokenAlgorithm::Mac(algorithm) => Some(algorithm),
            TokenAlgorithm::Signature(_) | TokenAlgorithm::None => None,
        });
        assertions.into_iter().chain(tokens)
    }

    /// Whether something is made or verified with its secret, which then must be readable.
    pub fn needs_readable_secret(&self) -> bool {
        self.macs().next().is_some()
    }

    /// The registered redirection URI that `requested` matches.
    pub fn redirect_uri(&self, requested: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|uri| uri.matches(requested))
    }
}

/// What kind of application a client is; presets and metrics go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// A script in the browser.
    Spa,
    /// A web application with a server of its own.
    Web,
    /// A program on the user's device.
    Native,
    /// A program that acts for itself.
    Service,
}

impl ClientKind {
    /// The lower-case word for it, for metric labels and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spa => "spa",
            Self::Web => "web",
            Self::Native => "native",
            Self::Service => "service",
        }
    }
}

/// Whether a client may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientStatus {
    /// It may.
    Active,
    /// It may not, and its tokens are dead.
    Inactive,
}

registered_names! {
    /// `grant_type` values.
    GrantType {
        /// RFC 6749 §4.1
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4
        ClientCredentials = "client_credentials",
        /// RFC 6749 §4.2: not of the token endpoint, but what tokens in an authorization response
        /// are registered by.
        Implicit = "implicit",
    }
}

registered_names! {
    /// `response_mode` values, the default of `code` first.
    ResponseMode {
        /// OAuth 2.0 Multiple Response Types §2.1
        Query = "query",
        /// OAuth 2.0 Multiple Response Types §2.1
        Fragment = "fragment",
        /// OAuth 2.0 Form Post Response Mode
        FormPost = "form_post",
    }
}

registered_names! {
    /// The two shapes of an access token.
    AccessTokenFormat {
        /// RFC 9068: verified by resource servers through JWKS.
        Jwt = "jwt",
        /// A reference, resolved by introspection.
        Opaque = "opaque",
    }
}

/// Whether a confidential client must use PKCE (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PkcePolicy {
    /// A request without a challenge is refused.
    Required,
    /// A challenge is honored, its absence tolerated.
    Optional,
}

/// When users are asked whether the client may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentPolicy {
    /// Once for every scope value.
    Remember,
    /// Every time.
    Always,
    /// Never, unless the client asks with `prompt=consent`: the operator's own applications.
    Implied,
}

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshRotation {
    /// It is replaced; using an old one revokes the family (RFC 9700 §4.14.2).
    Rotate,
    /// It stays.
    Keep,
}

/// Shape and life of a client's tokens. Absent is the server's setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPolicy {
    /// Shape of access tokens where the resource server does not decide.
    pub access_token_format: AccessTokenFormat,
    /// Life of access tokens.
    pub access_token_lifetime: Option<Duration>,
    /// Life of ID tokens.
    pub id_token_lifetime: Option<Duration>,
    /// `id_token_signed_response_alg`
    pub id_token_algorithm: TokenAlgorithm,
    /// `tls_client_certificate_bound_access_tokens` (RFC 8705 §3)
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub certificate_bound: bool,
    /// Whether refresh tokens rotate.
    pub refresh_rotation: RefreshRotation,
    /// A refresh token unused for this long is dead.
    pub refresh_idle: Option<Duration>,
    /// A refresh family is dead after this, used or not.
    pub refresh_absolute: Option<Duration>,
    /// How long the previous refresh token may be retried; zero allows no retry.
    pub refresh_grace: Option<Duration>,
}

/// Links that users are shown, all https.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientLinks {
    /// `client_uri`
    pub client: Option<String>,
    /// `logo_uri`
    pub logo: Option<String>,
    /// `policy_uri`
    pub policy: Option<String>,
    /// `tos_uri`
    pub terms: Option<String>,
    /// `initiate_login_uri`: where a login may be begun by others (OIDC Core §4). No user is shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login: Option<String>,
}

/// A confidential client for the tests of the layers above.
#[cfg(test)]
pub(crate) fn sample() -> Client {
    Client {
        id: ClientId::new("c"),
        name: "Sample".into(),
        kind: ClientKind::Web,
        status: ClientStatus::Active,
        authentication: ClientAuthentication::ClientSecretBasic { secrets: vec![] },
        redirect_uris: RedirectUri::parse("https://rp.example/cb")
            .into_iter()
            .collect(),
        post_logout_redirect_uris: RedirectUri::parse("https://rp.example/bye")
            .into_iter()
            .collect(),
        grant_types: GrantType::ALL.iter().copied().collect(),
        response_types: ResponseType::ALL.iter().copied().collect(),
        response_modes: ResponseMode::ALL.iter().copied().collect(),
        scope: "openid email offline_access".parse().unwrap_or_default(),
        resources: BTreeSet::new(),
        pkce: PkcePolicy::Optional,
        consent: ConsentPolicy::Remember,
        tokens: TokenPolicy {
            access_token_format: AccessTokenFormat::Jwt,
            access_token_lifetime: None,
            id_token_lifetime: None,
            id_token_algorithm: TokenAlgorithm::Signature(
                crate::domain::algorithm::SigningAlgorithm::Rs256,
            ),
            certificate_bound: false,
            refresh_rotation: RefreshRotation::Rotate,
            refresh_idle: None,
            refresh_absolute: None,
            refresh_grace: None,
        },
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
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}
