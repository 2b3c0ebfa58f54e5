//! Access tokens that come back: to userinfo, introspection and revocation.

use std::{sync::Arc, time::Duration};

use super::{
    Failure, Ports,
    commands::end_grant,
    directory::Sight,
    ports::{
        InvalidToken,
        state::{Kind, StateKey},
    },
    state,
};
use crate::{
    domain::{
        certificate::PresentedCertificate,
        client::Client,
        decision::Actor,
        id::{GrantId, UserId},
        role::Authority,
        time::Timestamp,
        user::User,
    },
    protocol::{
        access_token::{self, AccessToken},
        gate,
    },
};

/// How far apart the clocks of two nodes may be.
const SKEW: Duration = Duration::from_mins(1);

/// Marks opaque access tokens, so that scanners for leaked secrets know them.
pub const OPAQUE_PREFIX: &str = "cs_at_";

/// A new opaque token: it names its grant, so that one round trip tells whether both still stand.
pub fn new_opaque(ports: &Ports, grant: &GrantId) -> String {
    format!("{OPAQUE_PREFIX}{grant}.{}", ports.secret())
}

/// Where the state store holds what an opaque token means.
pub fn opaque_key(token: &str) -> StateKey {
    StateKey::new(Kind::AccessToken, token)
}

/// The record that says that a single token was revoked.
pub fn revocation(jti: &str) -> StateKey {
    StateKey::new(Kind::RevokedToken, &format!("jti\0{jti}"))
}

/// A token as it was presented: read as far as it goes without the state store.
pub enum Presented {
    /// Something that can be no token of ours.
    Foreign,
    /// One that refers to a record.
    Opaque {
        /// Where the record is.
        key: StateKey,
        /// The grant that it names.
        grant: GrantId,
    },
    /// One that says everything itself, under a signature of ours.
    Jwt(Box<AccessToken>),
}

impl Presented {
    /// Reads a token; the signature of a JWT is verified.
    pub async fn read(ports: &Ports, token: &str) -> Self {
        if let Some(rest) = token.strip_prefix(OPAQUE_PREFIX) {
            return match rest.split_once('.') {
                Some((grant, _)) => Self::Opaque {
                    key: opaque_key(token),
                    grant: GrantId::new(grant),
                },
                None => Self::Foreign,
            };
        }
        match ports.signer.verify(access_token::TYP, token).await {
            Ok(claims) => serde_json::from_value(claims.into())
                .map_or(Self::Foreign, |claims| Self::Jwt(Box::new(claims))),
            Err(InvalidToken) => Self::Foreign,
        }
    }

    /// What it takes from the state store to judge it.
    pub fn records(&self) -> Vec<StateKey> {
        match self {
            Self::Foreign => Vec::new(),
            Self::Opaque { key, grant } => vec![*key, end_grant::mark(grant)],
            Self::Jwt(claims) => vec![revocation(&claims.jti), end_grant::mark(&claims.gid)],
        }
    }

    /// The content of a token of ours that has not expired, with what was found of its records. It
    /// may have been revoked.
    pub fn content(
        self,
        ports: &Ports,
        found: &[Option<Vec<u8>>],
    ) -> Result<Option<Content>, Failure> {
        let now = ports.clock.now();
        let content = self.content_at_any_time(ports, found)?;
        Ok(content.filter(|content| now < content.claims.exp))
    }

    /// The same, whether it has expired by this clock or not.
    pub fn content_at_any_time(
        self,
        ports: &Ports,
        found: &[Option<Vec<u8>>],
    ) -> Result<Option<Content>, Failure> {
        let first = found.first().and_then(Option::as_deref);
        let is_grant_ended = found.get(1).is_some_and(Option::is_some);
        let (claims, is_revoked) = match self {
            Self::Foreign => (None, false),
            Self::Opaque { .. } => (first.map(state::decode).transpose()?, false),
            Self::Jwt(claims) => (Some(*claims), first.is_some()),
        };
        let issuer = ports.settings.issuer.as_str();
        Ok(claims
            .filter(|claims: &AccessToken| claims.iss == issuer)
            .map(|claims| Content {
                marks: [
                    (revocation(&claims.jti), is_revoked),
                    (end_grant::mark(&claims.gid), is_grant_ended),
                ],
                claims,
            }))
    }
}

/// What a token says, and whether the state store has marks against it.
pub struct Content {
    /// What it says.
    pub claims: AccessToken,
    marks: [(StateKey, bool); 2],
}

/// An access token that is good at this moment, with those it concerns.
pub struct LiveToken {
    /// What it says.
    pub claims: AccessToken,
    /// Whose it is.
    pub client: Arc<Client>,
    /// About whom; absent where the client acts for itself.
    pub user: Option<Arc<User>>,
}

impl LiveToken {
    /// Whether whoever presents it over a connection with this certificate, or with none, may use it.
    pub fn is_held_by(&self, certificate: Option<&PresentedCertificate>) -> bool {
        let cnf = self.claims.cnf.as_ref();
        cnf.is_none_or(|cnf| cnf.is_met(certificate))
    }

    /// Whoever stands behind it, with what they may do now, to ask whether they may do something.
    pub async fn bearer(&self, sight: &Sight<'_>) -> Result<Bearer<'_>, Failure> {
        let authority = match &self.user {
            Some(user) => Some(sight.authority(&user.id).await?),
            None => None,
        };
        Ok(Bearer {
            token: self,
            authority,
            audience: self.claims.aud.iter().cloned().collect(),
        })
    }
}

/// See [`LiveToken::bearer`].
pub struct Bearer<'a> {
    token: &'a LiveToken,
    authority: Option<Arc<Authority>>,
    audience: Vec<String>,
}

impl Bearer<'_> {
    /// As decisions know them.
    pub fn actor(&self) -> Actor<'_> {
        let (rights, scope) = (&self.token.client.rights, &self.token.claims.scope);
        let audience = &self.audience;
        match &self.authority {
            Some(authority) => Actor::Token {
                authority,
                rights,
                scope,
                audience,
            },
            None => Actor::Client {
                rights,
                scope,
                audience,
            },
        }
    }
}

/// Reads a token that somebody brings as their own: as [`present`], but one that is bound to a certificate is
/// nobody's here.
pub async fn bring<'p>(
    ports: &'p Ports,
    token: &str,
) -> Result<(Option<LiveToken>, Sight<'p>), Failure> {
    let (live, sight) = present(ports, token).await?;
    Ok((live.filter(|live| live.is_held_by(None)), sight))
}

/// Reads a token and checks that it is good at this moment, in one round trip; with what was seen of the
/// directory.
pub async fn present<'p>(
    ports: &'p Ports,
    token: &str,
) -> Result<(Option<LiveToken>, Sight<'p>), Failure> {
    let presented = Presented::read(ports, token).await;
    let (found, sight) = ports.directory.look(&presented.records()).await?;
    let live = match presented.content(ports, &found)? {
        Some(content) => live(&sight, content, ports.clock.now()).await?,
        None => None,
    };
    Ok((live, sight))
}

/// Checks that a token, its grant, its client and its user still stand.
pub async fn live(
    sight: &Sight<'_>,
    content: Content,
    now: Timestamp,
) -> Result<Option<LiveToken>, Failure> {
    let Content { claims, marks } = content;
    let Some(client) = sight.client(&claims.client_id).await? else {
        return Ok(None);
    };
    let is_own = claims.is_of_client_itself();
    let grant = (!is_own).then_some(&claims.gid);
    // A token from the future was made while a clock ran ahead: it outlives the marks, which go by the
    // time of the state store.
    let epoch = if claims.iat > now.plus(SKEW) {
        ""
    } else {
        &claims.epoch
    };
    if sight.has_ended(&marks, grant, epoch).await? {
        return Ok(None);
    }
    let user = if is_own {
        None
    } else {
        sight.user(&UserId::new(claims.sub.as_str())).await?
    };
    let stands = gate::honors(&claims, &client, user.as_deref());
    Ok(stands.then_some(LiveToken {
        claims,
        client,
        user,
    }))
}
