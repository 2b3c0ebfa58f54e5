//! RFC 7591 §2, §3, OIDC Registration §2, §3 — the metadata by which a client registers itself.
//!
//! Members that this server does not know are ignored (RFC 7591 §2). What would change how tokens are
//! protected and cannot be granted is refused, never dropped. Whatever an operator decides about a
//! client (consent, rights, further scope values, lifetimes) has no member here.

mod algorithms;
mod describe;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::{algorithms::AssertionAlgorithm, describe::describe};
use algorithms::encryption;

use super::error::ErrorCode;
use crate::domain::{
    algorithm::{Encryption, SigningAlgorithm, TokenAlgorithm},
    certificate::CertificateSubject,
    client::{ClientAuthMethod, ClientKind, ClientLinks, GrantType},
    client_logout::ClientLogout,
    response_type::ResponseType,
    scope::Scope,
};

/// Everything that a client which registers itself may ask for.
pub const SCOPE: &str = "openid profile email address phone offline_access";
/// Members that are not built, and that a client would rely on.
const NOT_SUPPORTED: &[&str] = &[
    "sector_identifier_uri",
    "software_statement",
    "dpop_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
];
/// Contacts at most, and bytes of a short text.
const MOST_CONTACTS: usize = 20;
const MOST_TEXT: usize = 200;

/// Metadata that cannot be accepted (RFC 7591 §3.2.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct MetadataError {
    /// The member.
    pub member: String,
    /// What is the matter with it.
    pub problem: String,
}

impl MetadataError {
    /// `member` is not as it should be.
    pub fn new(member: &str, problem: impl Into<String>) -> Self {
        Self {
            member: member.to_owned(),
            problem: problem.into(),
        }
    }

    /// `error` of the answer.
    pub fn code(&self) -> ErrorCode {
        if self.member == "redirect_uris" {
            ErrorCode::InvalidRedirectUri
        } else {
            ErrorCode::InvalidClientMetadata
        }
    }

    /// `error_description` of the answer: what RFC 6749 §5.2 lets it consist of.
    pub fn description(&self) -> String {
        let text = self.to_string();
        let is_fine = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        text.chars()
            .map(|c| if is_fine(c) { c } else { '\'' })
            .take(MOST_TEXT)
            .collect()
    }
}

/// The members that are understood, as they come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Members {
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<String>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    initiate_login_uri: Option<String>,
    frontchannel_logout_uri: Option<String>,
    backchannel_logout_uri: Option<String>,
    contacts: Option<Vec<String>>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    request_uris: Option<Vec<String>>,
    tls_client_auth_subject_dn: Option<String>,
    tls_client_auth_san_dns: Option<String>,
    tls_client_auth_san_uri: Option<String>,
    tls_client_auth_san_ip: Option<String>,
    tls_client_auth_san_email: Option<String>,
    tls_client_certificate_bound_access_tokens: bool,
    request_object_signing_alg: Option<String>,
    request_object_encryption_alg: Option<String>,
    request_object_encryption_enc: Option<String>,
    userinfo_signed_response_alg: Option<String>,
    userinfo_encrypted_response_alg: Option<String>,
    userinfo_encrypted_response_enc: Option<String>,
    id_token_encrypted_response_alg: Option<String>,
    id_token_encrypted_response_enc: Option<String>,
    subject_type: Option<String>,
    id_token_signed_response_alg: Option<String>,
    default_max_age: Option<u64>,
    software_id: Option<String>,
    software_version: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// What a client wants to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadata {
    /// `redirect_uris`, as they come.
    pub redirect_uris: Vec<String>,
    /// `post_logout_redirect_uris`, as they come.
    pub post_logout_redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method`
    pub authentication: ClientAuthMethod,
    /// `token_endpoint_auth_signing_alg`
    pub authentication_algorithm: AssertionAlgorithm,
    /// `tls_client_auth_…`
    pub certificate_subject: Option<CertificateSubject>,
    /// `tls_client_certificate_bound_access_tokens`
    pub certificate_bound: bool,
    /// `application_type`
    pub kind: ClientKind,
    /// `response_types`
    pub response_types: BTreeSet<ResponseType>,
    /// Whether it wants refresh tokens.
    pub refreshes: bool,
    /// `client_name`
    pub name: Option<String>,
    /// `client_uri`, `logo_uri`, `policy_uri`, `tos_uri`, `initiate_login_uri`, as they come.
    pub links: ClientLinks,
    /// `frontchannel_logout_uri` and `backchannel_logout_uri`, as they come.
    pub logout: ClientLogout,
    /// `contacts`
    pub contacts: Vec<String>,
    /// `scope`
    pub scope: Scope,
    /// `jwks`
    pub jwks: Option<Value>,
    /// `jwks_uri`
    pub jwks_uri: Option<String>,
    /// `request_uris`
    pub request_uris: Vec<String>,
    /// `request_object_signing_alg`
    pub request_object_algorithm: Option<TokenAlgorithm>,
    /// `request_object_encryption_alg`, `…_enc`
    pub request_object_encryption: Option<Encryption>,
    /// `userinfo_signed_response_alg`
    pub userinfo_algorithm: Option<TokenAlgorithm>,
    /// `userinfo_encrypted_response_alg`, `…_enc`
    pub userinfo_encryption: Option<Encryption>,
    /// `id_token_signed_response_alg`
    pub id_token_algorithm: TokenAlgorithm,
    /// `id_token_encrypted_response_alg`, `…_enc`
    pub id_token_encryption: Option<Encryption>,
    /// `default_max_age`, seconds.
    pub default_max_age: Option<u64>,
    /// `software_id`
    pub software_id: Option<String>,
    /// `software_version`
    pub software_version: Option<String>,
    /// `client_id` and `client_secret`, by which a change says whom it means (RFC 7592 §2.2).
    pub claimed: (Option<String>, Option<String>),
}

impl ClientMetadata {
    /// Reads a request's body.
    pub fn parse(body: &[u8]) -> Result<Self, MetadataError> {
        let no_object = || MetadataError::new("metadata", "is not a JSON object");
        let mut members: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| no_object())?;
        // Null is the same as absent (RFC 7591 §2).
        members.retain(|_, value| !value.is_null());
        if let Some(name) = NOT_SUPPORTED
            .iter()
            .find(|name| members.contains_key(**name))
        {
            return Err(MetadataError::new(name, "is not supported"));
        }
        let members: Members = serde_json::from_value(members.into())
            .map_err(|error| MetadataError::new("metadata", error.to_string()))?;
        Self::check(members)
    }

    fn check(members: Members) -> Result<Self, MetadataError> {
        if members.subject_type.is_some_and(|it| it != "public") {
            return Err(MetadataError::new(
                "subject_type",
                "only public is supported",
            ));
        }
        if members.jwks.is_some() && members.jwks_uri.is_some() {
            let problem = "cannot be combined with jwks";
            return Err(MetadataError::new("jwks_uri", problem));
        }
        let response_types = response_types(members.response_types)?;
        let grants = grants(members.grant_types, &response_types)?;
        let refreshes = grants.contains(&GrantType::RefreshToken);
        let authentication = named(
            "token_endpoint_auth_method",
            members.token_endpoint_auth_method,
        )?
        .unwrap_or(ClientAuthMethod::ClientSecretBasic);
        let names = [
            members.tls_client_auth_subject_dn,
            members.tls_client_auth_san_dns,
            members.tls_client_auth_san_uri,
            members.tls_client_auth_san_ip,
            members.tls_client_auth_san_email,
        ];
        Ok(Self {
            certificate_subject: certificate_subject(authentication, names)?,
            certificate_bound: members.tls_client_certificate_bound_access_tokens,
            redirect_uris: members.redirect_uris.unwrap_or_default(),
            post_logout_redirect_uris: members.post_logout_redirect_uris.unwrap_or_default(),
            authentication,
            authentication_algorithm: AssertionAlgorithm::parse(
                authentication,
                members.token_endpoint_auth_signing_alg,
            )?,
            kind: kind(members.application_type.as_deref())?,
            refreshes,
            name: members.client_name,
            links: ClientLinks {
                client: members.client_uri,
                logo: members.logo_uri,
                policy: members.policy_uri,
                terms: members.tos_uri,
                initiate_login: members.initiate_login_uri,
            },
            logout: ClientLogout {
                frontchannel_uri: members.frontchannel_logout_uri,
                backchannel_uri: members.backchannel_logout_uri,
            },
            contacts: contacts(members.contacts.unwrap_or_default())?,
            scope: scope(members.scope.as_deref(), refreshes)?,
            jwks: members.jwks,
            jwks_uri: members.jwks_uri,
            request_uris: members.request_uris.unwrap_or_default(),
            request_object_algorithm: named(
                "request_object_signing_alg",
                members.request_object_signing_alg,
            )?,
            request_object_encryption: encryption(
                [
                    "request_object_encryption_alg",
                    "request_object_encryption_enc",
                ],
                members.request_object_encryption_alg,
                members.request_object_encryption_enc,
            )?,
            userinfo_algorithm: named(
                "userinfo_signed_response_alg",
                members.userinfo_signed_response_alg,
            )?,
            userinfo_encryption: encryption(
                [
                    "userinfo_encrypted_response_alg",
                    "userinfo_encrypted_response_enc",
                ],
                members.userinfo_encrypted_response_alg,
                members.userinfo_encrypted_response_enc,
            )?,
            id_token_encryption: encryption(
                [
                    "id_token_encrypted_response_alg",
                    "id_token_encrypted_response_enc",
                ],
                members.id_token_encrypted_response_alg,
                members.id_token_encrypted_response_enc,
            )?,
            id_token_algorithm: named(
                "id_token_signed_response_alg",
                members.id_token_signed_response_alg,
            )?
            .unwrap_or(SigningAlgorithm::Rs256.into()),
            default_max_age: members.default_max_age,
            software_id: short("software_id", members.software_id)?,
            software_version: short("software_version", members.software_version)?,
            claimed: (members.client_id, members.client_secret),
            response_types,
        })
    }
}

/// The one name of the certificate of a `tls_client_auth` client (RFC 8705 §2.1.2), in the order of
/// [`CertificateSubject::KINDS`].
fn certificate_subject(
    method: ClientAuthMethod,
    values: [Option<String>; 5],
) -> Result<Option<CertificateSubject>, MetadataError> {
    let kinds = CertificateSubject::KINDS.into_iter().zip(values);
    let mut given = kinds.filter_map(|(kind, value)| value.map(|value| (kind, value)));
    match (method, given.next(), given.next()) {
        (ClientAuthMethod::TlsClientAuth, Some((kind, name)), None) => {
            let subject = CertificateSubject::parse(kind, &name);
            let member = format!("tls_client_auth_{kind}");
            let unusable = || MetadataError::new(&member, "cannot be such a name");
            subject.map(Some).ok_or_else(unusable)
        }
        (ClientAuthMethod::TlsClientAuth, ..) => {
            let problem = "tls_client_auth needs exactly one tls_client_auth_ name";
            Err(MetadataError::new("token_endpoint_auth_method", problem))
        }
        (_, Some((kind, _)), _) => {
            let problem = "is only for tls_client_auth";
            Err(MetadataError::new(
                &format!("tls_client_auth_{kind}"),
                problem,
            ))
        }
        _ => Ok(None),
    }
}

fn named<T: std::str::FromStr>(
    member: &str,
    text: Option<String>,
) -> Result<Option<T>, MetadataError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| MetadataError::new(member, format!("{text} is not supported")))
    })
    .transpose()
}

fn response_types(texts: Option<Vec<String>>) -> Result<BTreeSet<ResponseType>, MetadataError> {
    let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
        return Ok([ResponseType::CODE].into());
    };
    texts
        .into_iter()
        .map(|text| {
            named("response_types", Some(text))?
                .ok_or_else(|| MetadataError::new("response_types", "is empty"))
        })
        .collect()
}

/// The grant types that a client may register itself for, and that its response types need (RFC 7591
/// §2.1). A client that acts for itself is made by an operator.
fn grants(
    texts: Option<Vec<String>>,
    response_types: &BTreeSet<ResponseType>,
) -> Result<BTreeSet<GrantType>, MetadataError> {
    let mut grants = BTreeSet::new();
    match texts {
        None => grants.extend(response_types.iter().flat_map(|it| it.grant_types())),
        Some(texts) => {
            for text in texts {
                match named("grant_types", Some(text))? {
                    Some(GrantType::ClientCredentials) => {
                        let problem =
                            "client_credentials is only for clients that an operator made";
                        return Err(MetadataError::new("grant_types", problem));
                    }
                    grant => grants.extend(grant),
                }
            }
        }
    }
    let mut needed = response_types.iter().flat_map(|it| it.grant_types());
    if let Some(missing) = needed.find(|grant| !grants.contains(grant)) {
        let problem = format!("the response_types need {missing}");
        return Err(MetadataError::new("grant_types", problem));
    }
    Ok(grants)
}

fn kind(application_type: Option<&str>) -> Result<ClientKind, MetadataError> {
    match application_type {
        None | Some("web") => Ok(ClientKind::Web),
        Some("native") => Ok(ClientKind::Native),
        Some(_) => Err(MetadataError::new(
            "application_type",
            "must be web or native",
        )),
    }
}

/// Everything there is where nothing is said; nothing else (security.md C 118).
fn scope(text: Option<&str>, refreshes: bool) -> Result<Scope, MetadataError> {
    let every: Scope = SCOPE.parse().unwrap_or_default();
    let scope = match text {
        None => every.clone(),
        Some(text) => text
            .parse()
            .map_err(|_| MetadataError::new("scope", "is malformed"))?,
    };
    if !scope.is_subset(&every) {
        let problem = format!("only {SCOPE} can be registered");
        return Err(MetadataError::new("scope", problem));
    }
    Ok(if refreshes {
        scope
    } else {
        scope.without("offline_access")
    })
}

fn contacts(contacts: Vec<String>) -> Result<Vec<String>, MetadataError> {
    if contacts.len() > MOST_CONTACTS {
        return Err(MetadataError::new("contacts", "are too many"));
    }
    contacts
        .into_iter()
        .map(|contact| Ok(short("contacts", Some(contact))?.unwrap_or_default()))
        .collect()
}

fn short(member: &str, text: Option<String>) -> Result<Option<String>, MetadataError> {
    match text {
        Some(text) if text.len() > MOST_TEXT || text.chars().any(char::is_control) => Err(
            MetadataError::new(member, "is too long or has control characters"),
        ),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests;
