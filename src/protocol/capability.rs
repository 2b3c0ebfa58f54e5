//! What the server offers and what a client registered for: one question asked of both, so that
//! discovery, registration and the endpoints cannot disagree.

use std::{collections::BTreeSet, fmt};

use crate::domain::{
    algorithm::{EncryptionKey, SigningAlgorithm},
    client::{Client, ClientAuthMethod, GrantType, ResponseMode},
    response_type::ResponseType,
    scope::{STANDARD_SCOPES, Scope},
};

/// One thing that a server can offer and a client can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// A `grant_type`.
    Grant(GrantType),
    /// A `response_type`.
    ResponseType(ResponseType),
    /// A `response_mode`.
    ResponseMode(ResponseMode),
    /// A `token_endpoint_auth_method`.
    ClientAuth(ClientAuthMethod),
    /// Taking names and passwords itself, by the JSON login. Not a `grant_type`: discovery does not
    /// list it, and the token endpoint knows nothing of it.
    FirstPartyLogin,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grant(grant) => grant.as_str(),
            Self::ResponseType(response_type) => response_type.as_str(),
            Self::ResponseMode(mode) => mode.as_str(),
            Self::ClientAuth(method) => method.as_str(),
            Self::FirstPartyLogin => "first_party_login",
        })
    }
}

/// The methods that need no certificate of the client.
const WITHOUT_CERTIFICATES: [ClientAuthMethod; 5] = [
    ClientAuthMethod::ClientSecretBasic,
    ClientAuthMethod::ClientSecretPost,
    ClientAuthMethod::ClientSecretJwt,
    ClientAuthMethod::PrivateKeyJwt,
    ClientAuthMethod::None,
];

/// What is offered to clients that present certificates (RFC 8705).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFeatures {
    /// Whether there are authorities that vouch for any.
    pub authorities: bool,
    /// Where such clients find the endpoints, if not at the issuer's.
    pub url: Option<String>,
}

/// What this server offers. Discovery lists exactly this.
#[derive(Clone, Debug)]
pub struct Features {
    /// `grant_types_supported`
    pub grant_types: BTreeSet<GrantType>,
    /// `response_types_supported`
    pub response_types: BTreeSet<ResponseType>,
    /// `response_modes_supported`
    pub response_modes: BTreeSet<ResponseMode>,
    /// `token_endpoint_auth_methods_supported`
    pub client_auth_methods: BTreeSet<ClientAuthMethod>,
    /// `id_token_signing_alg_values_supported`
    pub algorithms: BTreeSet<SigningAlgorithm>,
    /// What is offered to clients with certificates, if anything.
    pub certificates: Option<CertificateFeatures>,
    /// Kinds of keys that request objects can be encrypted to.
    pub encryption_keys: BTreeSet<EncryptionKey>,
    /// `scopes_supported`
    pub scopes: Scope,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
}

impl Features {
    /// Everything that is built, with these signature algorithms.
    pub fn all(algorithms: impl IntoIterator<Item = SigningAlgorithm>) -> Self {
        Self {
            grant_types: GrantType::ALL.iter().copied().collect(),
            response_types: ResponseType::ALL.iter().copied().collect(),
            response_modes: ResponseMode::ALL.iter().copied().collect(),
            client_auth_methods: WITHOUT_CERTIFICATES.into(),
            algorithms: algorithms.into_iter().collect(),
            certificates: None,
            encryption_keys: BTreeSet::new(),
            scopes: STANDARD_SCOPES.parse().unwrap_or_default(),
            registration: false,
        }
    }

    /// The same with these response types only, and the grant types that they and the token endpoint
    /// need.
    #[must_use]
    pub fn with_response_types(
        mut self,
        response_types: impl IntoIterator<Item = ResponseType>,
    ) -> Self {
        self.response_types = response_types.into_iter().collect();
        if !self.response_types.iter().any(|it| it.shows_tokens()) {
            self.grant_types.remove(&GrantType::Implicit);
        }
        self
    }

    /// The same, with clients that present certificates.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Option<CertificateFeatures>) -> Self {
        if let Some(features) = &certificates {
            let methods = &mut self.client_auth_methods;
            methods.insert(ClientAuthMethod::SelfSignedTlsClientAuth);
            if features.authorities {
                methods.insert(ClientAuthMethod::TlsClientAuth);
            }
        }
        self.certificates = certificates;
        self
    }

    /// The same, with keys that request objects can be encrypted to.
    #[must_use]
    pub fn with_encryption(mut self, keys: impl IntoIterator<Item = EncryptionKey>) -> Self {
        self.encryption_keys = keys.into_iter().collect();
        self
    }

    /// The same, with clients that register themselves or not.
    #[must_use]
    pub fn with_registration(mut self, is_open: bool) -> Self {
        self.registration = is_open;
        self
    }

    /// Whether the server offers it.
    pub fn allows(&self, capability: Capability) -> bool {
        match capability {
            Capability::Grant(grant) => self.grant_types.contains(&grant),
            Capability::ResponseType(response_type) => self.response_types.contains(&response_type),
            Capability::ResponseMode(mode) => self.response_modes.contains(&mode),
            Capability::ClientAuth(method) => self.client_auth_methods.contains(&method),
            // Offered to whom the operator registered for it.
            Capability::FirstPartyLogin => true,
        }
    }
}

impl Client {
    /// Whether the client registered for it.
    pub fn allows(&self, capability: Capability) -> bool {
        match capability {
            Capability::Grant(grant) => self.grant_types.contains(&grant),
            Capability::ResponseType(response_type) => self.response_types.contains(&response_type),
            Capability::ResponseMode(mode) => self.response_modes.contains(&mode),
            Capability::ClientAuth(method) => self.authentication.method() == method,
            Capability::FirstPartyLogin => self.rights.may_log_in(),
        }
    }
}
