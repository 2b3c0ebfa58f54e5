//! A running provider as data: where it is, which clients and users it knows, how its login goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

use crate::scenario::Scenario;

/// Which client a scenario acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RoleName {
    /// Client credentials, JWT ES256.
    Service,
    /// Client credentials, JWT RS256.
    ServiceRs256,
    /// Client credentials, opaque.
    ServiceOpaque,
    /// Code flow: ID token ES256, opaque access token.
    Web,
    /// Code flow: ID token RS256, opaque access token.
    WebRs256,
    /// Code flow: ID token ES256, JWT access token.
    WebJwt,
    /// Client credentials for the administration API.
    Administrator,
}

/// What a token should look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Three parts, signed by a key of the JWK Set.
    Jwt,
    /// Anything else.
    Opaque,
}

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// `client_id`
    pub(crate) id: String,
    /// HTTP Basic credentials.
    pub(crate) authorization: HeaderValue,
    /// The scope that it asks for; empty for none.
    pub(crate) scope: &'static str,
    /// A resource indicator that it sends.
    pub(crate) resource: Option<String>,
    /// Its access tokens.
    pub(crate) access: Shape,
    /// `alg` of its ID tokens, or of its access tokens where it acts for itself.
    pub(crate) algorithm: &'static str,
}

impl Role {
    /// A client with a secret that needs no escaping.
    pub(crate) fn new(id: impl Into<String>, secret: &str, scope: &'static str) -> Self {
        let id = id.into();
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        Self {
            authorization: HeaderValue::from_str(&format!("Basic {credentials}"))
                .unwrap_or_else(|_| HeaderValue::from_static("Basic")),
            id,
            scope,
            resource: None,
            access: Shape::Opaque,
            algorithm: "ES256",
        }
    }

    /// With JWT access tokens.
    pub(crate) fn jwt(self) -> Self {
        Self {
            access: Shape::Jwt,
            ..self
        }
    }

    /// Signed by RS256.
    pub(crate) fn rs256(self) -> Self {
        Self {
            algorithm: "RS256",
            ..self
        }
    }

    /// With a resource indicator in every request.
    pub(crate) fn at(self, resource: impl Into<String>) -> Self {
        Self {
            resource: Some(resource.into()),
            ..self
        }
    }
}

/// The paths of the endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paths {
    pub(crate) discovery: &'static str,
    pub(crate) jwks: &'static str,
    pub(crate) authorize: &'static str,
    pub(crate) token: &'static str,
    pub(crate) introspect: &'static str,
    pub(crate) userinfo: &'static str,
    pub(crate) revoke: &'static str,
}

/// The login page's form as data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginForm {
    /// The field of the name.
    pub(crate) user: &'static str,
    /// The field of the password.
    pub(crate) password: &'static str,
}

/// How users are called and what they know.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// What stands before the number of a user.
    pub(crate) prefix: String,
    /// Numbers go from nought to below this.
    pub(crate) count: usize,
    /// The password of every user.
    pub(crate) password: &'static str,
}

impl Accounts {
    /// The name of a user; virtual users are spread evenly over all accounts.
    pub(crate) fn name(&self, virtual_user: usize, virtual_users: usize) -> String {
        let step = (self.count / virtual_users.max(1)).max(1);
        format!("{}{}", self.prefix, virtual_user * step % self.count.max(1))
    }
}

/// Which servers stand beside a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing: it keeps everything itself.
    Nothing,
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// Both.
    PostgresAndRedis,
}

/// A running provider.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What the rows call it.
    pub(crate) peer: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// `http://host:port`, without a slash.
    pub(crate) origin: String,
    /// Its endpoints.
    pub(crate) paths: Paths,
    /// Its clients.
    pub(crate) roles: BTreeMap<RoleName, Role>,
    /// Its users.
    pub(crate) accounts: Accounts,
    /// Its login page.
    pub(crate) login: LoginForm,
    /// What it can do.
    pub(crate) scenarios: BTreeSet<Scenario>,
    /// What stands beside it.
    pub(crate) beside: Beside,
    /// Its main process.
    pub(crate) pid: u32,
    /// How long it must run before it is as fast as it gets.
    pub(crate) warmup: std::time::Duration,
}

/// Where codes go. Nothing listens there: the generator reads the redirect.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/callback";

impl Target {
    /// `Host` of its requests.
    pub(crate) fn host(&self) -> HeaderValue {
        let host = self.origin.strip_prefix("http://").unwrap_or_default();
        HeaderValue::from_str(host).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
    }

    /// The client of a scenario.
    pub(crate) fn role(&self, scenario: Scenario) -> Option<&Role> {
        self.roles.get(&scenario.role())
    }

    /// The kind of login that it has, for the mix.
    pub(crate) fn own_login(&self) -> Option<Scenario> {
        [Scenario::S6H0, Scenario::S6H1, Scenario::S6Hk]
            .into_iter()
            .find(|login| self.scenarios.contains(login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_users_are_spread_over_all_accounts() {
        let accounts = Accounts {
            prefix: "u".to_owned(),
            count: 100_000,
            password: "",
        };
        assert_eq!(accounts.name(0, 16), "u0");
        assert_eq!(accounts.name(15, 16), "u93750");
        let few = Accounts {
            count: 4,
            ..accounts
        };
        assert_eq!(few.name(5, 16), "u1");
    }
}
