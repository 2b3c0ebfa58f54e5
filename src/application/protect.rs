//! Tokens for one client, secured as it registered: signed, under a MAC, encrypted (OIDC Core §10).

use super::{
    Failure, Ports, client_keys, client_secrets,
    ports::{Protection, SignError},
};
use crate::domain::{
    algorithm::{Encryption, SigningAlgorithm, TokenAlgorithm},
    client::Client,
};

/// How something for a client is to be secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What makes its integrity; nothing does where absent, and it is encrypted as it is.
    pub(super) algorithm: Option<TokenAlgorithm>,
    /// How it is encrypted afterwards.
    pub(super) encryption: Option<Encryption>,
}

impl Wanted {
    /// What a client wants of its ID tokens.
    pub(super) fn of_id_token(client: &Client) -> Self {
        Self {
            algorithm: Some(client.tokens.id_token_algorithm),
            encryption: client.encryption.id_token,
        }
    }

    /// The same of its logout tokens, which are never without a signature (Back-Channel Logout §2.4).
    pub(super) fn of_logout_token(client: &Client) -> Self {
        let algorithm = match client.tokens.id_token_algorithm {
            TokenAlgorithm::None => SigningAlgorithm::Rs256.into(),
            algorithm @ (TokenAlgorithm::Signature(_) | TokenAlgorithm::Mac(_)) => algorithm,
        };
        Self {
            algorithm: Some(algorithm),
            encryption: client.encryption.id_token,
        }
    }

    /// What a client wants of userinfo; nothing, if that is plain JSON to it.
    pub(super) fn of_userinfo(client: &Client) -> Option<Self> {
        let wanted = Self {
            algorithm: client.userinfo_algorithm,
            encryption: client.encryption.userinfo,
        };
        (wanted.algorithm.is_some() || wanted.encryption.is_some()).then_some(wanted)
    }
}

/// The token of `claims`.
pub(super) async fn protect(
    ports: &Ports,
    client: &Client,
    (typ, claims): (&'static str, &[u8]),
    wanted: Wanted,
) -> Result<String, Failure> {
    // Most are just this.
    if let (Some(TokenAlgorithm::Signature(algorithm)), None) =
        (wanted.algorithm, wanted.encryption)
    {
        return Ok(ports.signer.sign(typ, algorithm, claims)?);
    }
    let secrets = match wanted.algorithm {
        Some(TokenAlgorithm::Mac(_)) => client_secrets::readable(ports, client),
        Some(TokenAlgorithm::Signature(_) | TokenAlgorithm::None) | None => Vec::new(),
    };
    let jwks = match wanted.encryption {
        Some(_) => Some(client_keys::set(ports, client).await?),
        None => None,
    };
    let jwks = jwks.as_deref();
    let encryption = match (wanted.encryption, jwks) {
        (Some(encryption), Some(jwks)) => Some((encryption, jwks)),
        _ => None,
    };
    let protection = Protection {
        algorithm: wanted.algorithm,
        secret: secrets.first().map(|secret| secret.as_slice()),
        encryption,
    };
    let made = ports.signer.protect(typ, claims, &protection);
    if let Err(error @ (SignError::NoSecret | SignError::NoClientKey)) = &made {
        tracing::warn!(
            client = client.id.as_str(),
            %error,
            "a token cannot be made as the client registered it"
        );
    }
    Ok(made?)
}
