//! How clients prove who they are (RFC 6749 §2.3, OIDC Core §9, RFC 8705 §2).

use serde::{Deserialize, Serialize};

use super::{
    algorithm::{MacAlgorithm, SigningAlgorithm},
    certificate::CertificateSubject,
    names::registered_names,
    secret::SecretDigest,
    time::Timestamp,
};

registered_names! {
    /// `token_endpoint_auth_method` values.
    ClientAuthMethod {
        /// RFC 6749 §2.3.1, HTTP Basic.
        ClientSecretBasic = "client_secret_basic",
        /// RFC 6749 §2.3.1, form fields.
        ClientSecretPost = "client_secret_post",
        /// RFC 7523 §2.2 with the secret.
        ClientSecretJwt = "client_secret_jwt",
        /// RFC 7523 §2.2 with an asymmetric key.
        PrivateKeyJwt = "private_key_jwt",
        /// RFC 8705 §2.1, a certificate that an authority vouches for.
        TlsClientAuth = "tls_client_auth",
        /// RFC 8705 §2.2, a certificate that the client registered.
        SelfSignedTlsClientAuth = "self_signed_tls_client_auth",
        /// A public client.
        None = "none",
    }
}

impl ClientAuthMethod {
    /// Whether the client has a secret.
    pub fn has_secret(self) -> bool {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt => true,
            Self::PrivateKeyJwt
            | Self::TlsClientAuth
            | Self::SelfSignedTlsClientAuth
            | Self::None => false,
        }
    }
}

/// How a client proves who it is, with what that takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Not at all: a public client.
    None,
    /// `client_secret_basic`
    ClientSecretBasic {
        /// The secrets that are valid, more than one during rotation.
        secrets: Vec<ClientSecret>,
    },
    /// `client_secret_post`
    ClientSecretPost {
        /// The secrets that are valid, more than one during rotation.
        secrets: Vec<ClientSecret>,
    },
    /// `client_secret_jwt`
    ClientSecretJwt {
        /// The secrets that are valid, more than one during rotation. All are readable.
        secrets: Vec<ClientSecret>,
        /// `token_endpoint_auth_signing_alg`; any MAC where absent.
        algorithm: Option<MacAlgorithm>,
        /// Whom its assertions may be addressed to.
        #[serde(default)]
        audience: AssertionAudience,
    },
    /// `private_key_jwt`
    PrivateKeyJwt {
        /// The public keys, a JWK Set (RFC 7517 §5) that was validated at registration.
        jwks: serde_json::Value,
        /// `token_endpoint_auth_signing_alg`; any supported one where absent.
        algorithm: Option<SigningAlgorithm>,
        /// Whom its assertions may be addressed to.
        #[serde(default)]
        audience: AssertionAudience,
    },
    /// `tls_client_auth`
    TlsClientAuth {
        /// The name in its certificate.
        subject: CertificateSubject,
    },
    /// `self_signed_tls_client_auth`: the certificates are in its JWK Set.
    SelfSignedTlsClientAuth,
}

/// Whom the assertions of a client may be addressed to (RFC 7523 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer alone: such an assertion cannot be carried to another server (FAPI 2.0).
    #[default]
    Issuer,
    /// The token endpoint too, which OIDC Core §9 recommends and older software insists on.
    TokenEndpoint,
}

impl ClientAuthentication {
    /// The method of `token_endpoint_auth_method`.
    pub fn method(&self) -> ClientAuthMethod {
        match self {
            Self::None => ClientAuthMethod::None,
            Self::ClientSecretBasic { .. } => ClientAuthMethod::ClientSecretBasic,
            Self::ClientSecretPost { .. } => ClientAuthMethod::ClientSecretPost,
            Self::ClientSecretJwt { .. } => ClientAuthMethod::ClientSecretJwt,
            Self::PrivateKeyJwt { .. } => ClientAuthMethod::PrivateKeyJwt,
            Self::TlsClientAuth { .. } => ClientAuthMethod::TlsClientAuth,
            Self::SelfSignedTlsClientAuth => ClientAuthMethod::SelfSignedTlsClientAuth,
        }
    }

    /// The secrets of the methods that have any.
    pub fn secrets(&self) -> &[ClientSecret] {
        match self {
            Self::ClientSecretBasic { secrets }
            | Self::ClientSecretPost { secrets }
            | Self::ClientSecretJwt { secrets, .. } => secrets,
            Self::None
            | Self::PrivateKeyJwt { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => &[],
        }
    }

    /// The secrets, to change, of the methods that have any.
    pub fn secrets_mut(&mut self) -> Option<&mut Vec<ClientSecret>> {
        match self {
            Self::ClientSecretBasic { secrets }
            | Self::ClientSecretPost { secrets }
            | Self::ClientSecretJwt { secrets, .. } => Some(secrets),
            Self::None
            | Self::PrivateKeyJwt { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }

    /// The keys that the client authenticates with, where they were registered by value.
    pub fn jwks_mut(&mut self) -> Option<&mut serde_json::Value> {
        match self {
            Self::PrivateKeyJwt { jwks, .. } => Some(jwks),
            Self::None
            | Self::ClientSecretBasic { .. }
            | Self::ClientSecretPost { .. }
            | Self::ClientSecretJwt { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }

    /// As [`ClientAuthentication::jwks_mut`], to read.
    pub fn jwks(&self) -> Option<&serde_json::Value> {
        match self {
            Self::PrivateKeyJwt { jwks, .. } => Some(jwks),
            Self::None
            | Self::ClientSecretBasic { .. }
            | Self::ClientSecretPost { .. }
            | Self::ClientSecretJwt { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }

    /// The name in its certificate, where an authority vouches for that.
    pub fn certificate_subject(&self) -> Option<&CertificateSubject> {
        match self {
            Self::TlsClientAuth { subject } => Some(subject),
            Self::None
            | Self::ClientSecretBasic { .. }
            | Self::ClientSecretPost { .. }
            | Self::ClientSecretJwt { .. }
            | Self::PrivateKeyJwt { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }

    /// Whom its assertions may be addressed to, where it makes any.
    pub fn audience_mut(&mut self) -> Option<&mut AssertionAudience> {
        match self {
            Self::ClientSecretJwt { audience, .. } | Self::PrivateKeyJwt { audience, .. } => {
                Some(audience)
            }
            Self::None
            | Self::ClientSecretBasic { .. }
            | Self::ClientSecretPost { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }

    /// As [`ClientAuthentication::audience_mut`], to read.
    pub fn audience(&self) -> Option<AssertionAudience> {
        match self {
            Self::ClientSecretJwt { audience, .. } | Self::PrivateKeyJwt { audience, .. } => {
                Some(*audience)
            }
            Self::None
            | Self::ClientSecretBasic { .. }
            | Self::ClientSecretPost { .. }
            | Self::TlsClientAuth { .. }
            | Self::SelfSignedTlsClientAuth => None,
        }
    }
}

/// A generated secret of 256 bits, stored as its digest, and sealed where it must be read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// SHA-256 of the secret.
    pub digest: SecretDigest,
    /// When it stops working; never where absent.
    pub expires_at: Option<Timestamp>,
    /// The secret under the key-encryption key, of clients that something is made with it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedSecret>,
}

impl ClientSecret {
    /// Whether it works at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A secret under the key-encryption key, base64url in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SealedSecret(pub Vec<u8>);

impl From<SealedSecret> for String {
    fn from(sealed: SealedSecret) -> Self {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(sealed.0)
    }
}

impl TryFrom<String> for SealedSecret {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.decode(text).map(Self)
    }
}
