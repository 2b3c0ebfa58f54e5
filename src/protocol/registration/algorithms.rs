//! OIDC Registration §2 — the members that name algorithms.

use super::{MetadataError, named};
use crate::domain::{
    algorithm::{ContentEncryption, Encryption, MacAlgorithm, SigningAlgorithm},
    client::{ClientAuthMethod, ClientAuthentication},
};

/// `token_endpoint_auth_signing_alg`: of the kind that the method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// Any of that kind, or none: the member is absent, or the method makes no assertions.
    Any,
    /// Of `private_key_jwt`.
    Signature(SigningAlgorithm),
    /// Of `client_secret_jwt`.
    Mac(MacAlgorithm),
}

impl AssertionAlgorithm {
    pub(super) fn parse(
        method: ClientAuthMethod,
        text: Option<String>,
    ) -> Result<Self, MetadataError> {
        let member = "token_endpoint_auth_signing_alg";
        let found = match method {
            ClientAuthMethod::PrivateKeyJwt => named(member, text)?.map(Self::Signature),
            ClientAuthMethod::ClientSecretJwt => named(member, text)?.map(Self::Mac),
            ClientAuthMethod::ClientSecretBasic
            | ClientAuthMethod::ClientSecretPost
            | ClientAuthMethod::TlsClientAuth
            | ClientAuthMethod::SelfSignedTlsClientAuth
            | ClientAuthMethod::None => None,
        };
        Ok(found.unwrap_or(Self::Any))
    }

    /// What a client registered.
    pub fn of(authentication: &ClientAuthentication) -> Self {
        let found = match authentication {
            ClientAuthentication::PrivateKeyJwt { algorithm, .. } => algorithm.map(Self::Signature),
            ClientAuthentication::ClientSecretJwt { algorithm, .. } => algorithm.map(Self::Mac),
            ClientAuthentication::None
            | ClientAuthentication::ClientSecretBasic { .. }
            | ClientAuthentication::ClientSecretPost { .. }
            | ClientAuthentication::TlsClientAuth { .. }
            | ClientAuthentication::SelfSignedTlsClientAuth => None,
        };
        found.unwrap_or(Self::Any)
    }

    /// Makes it what a client registered.
    pub fn give_to(self, authentication: &mut ClientAuthentication) {
        match (authentication, self) {
            (ClientAuthentication::PrivateKeyJwt { algorithm, .. }, Self::Signature(only)) => {
                *algorithm = Some(only);
            }
            (ClientAuthentication::ClientSecretJwt { algorithm, .. }, Self::Mac(only)) => {
                *algorithm = Some(only);
            }
            _ => {}
        }
    }

    /// The JOSE name.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::Signature(algorithm) => Some(algorithm.as_str()),
            Self::Mac(algorithm) => Some(algorithm.as_str()),
        }
    }
}

/// How something is encrypted; `…_enc` alone means nothing (OIDC Registration §2).
pub(super) fn encryption(
    [alg_member, enc_member]: [&str; 2],
    alg: Option<String>,
    enc: Option<String>,
) -> Result<Option<Encryption>, MetadataError> {
    let enc = named(enc_member, enc)?;
    match named(alg_member, alg)? {
        Some(alg) => Ok(Some(Encryption {
            alg,
            enc: enc.unwrap_or(ContentEncryption::USUAL),
        })),
        None if enc.is_some() => {
            let problem = format!("needs {alg_member}");
            Err(MetadataError::new(enc_member, problem))
        }
        None => Ok(None),
    }
}
