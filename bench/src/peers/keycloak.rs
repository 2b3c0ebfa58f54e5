//! Keycloak from its distribution, on PostgreSQL. `bench/peers/setup keycloak` unpacks and augments it;
//! realm, clients and users are imported at the first start.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    error::BenchError,
    peers::{Peer, Site, Started, Starting},
    process::{Running, free_port, logged, loopback},
    scenario::Scenario,
    target::{Accounts, Beside, CALLBACK, LoginForm, Paths, Role, RoleName, Target},
};

const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";
const PASSWORD: &str = "correct horse battery staple";
const USERS: usize = 64;
/// On one processor, a first start with its migrations and the import takes most of a minute.
const PATIENCE: Duration = Duration::from_mins(4);

/// Keycloak as a peer.
pub(crate) struct Keycloak;

impl Peer for Keycloak {
    fn name(&self) -> &'static str {
        "Keycloak, PostgreSQL"
    }

    fn start<'a>(&'a self, site: Site<'a>) -> Starting<'a> {
        Box::pin(async move {
            let home = site.others.join("keycloak");
            let script = home.join("bin/kc.sh");
            if !script.exists() {
                return Err(BenchError::Usage(
                    "Keycloak is missing: run bench/peers/setup keycloak".to_owned(),
                ));
            }
            write_realm(&home)?;
            let (port, management) = (free_port()?, free_port()?);
            let (database, user) = site.stores.database("keycloak").await?;
            let origin = format!("http://localhost:{port}");
            let log = site.folder.join("log");
            let mut command = logged(script, &log)?;
            command
                .args(["start", "--optimized", "--import-realm"])
                .args(["--http-enabled=true", "--http-host=127.0.0.1"])
                .arg(format!("--hostname={origin}"))
                .arg(format!("--http-port={port}"))
                .arg(format!("--http-management-port={management}"))
                .arg(format!(
                    "--db-url=jdbc:postgresql://127.0.0.1:{database}/keycloak"
                ))
                .arg(format!("--db-username={user}"))
                .args(["--db-password=unused", "--cache=local", "--log-level=warn"]);
            let child = site.layout.spawn_server(&mut command)?;
            let mut running = Running::new(self.name(), child, log);
            running
                .until_ready(management, "/health/ready", PATIENCE)
                .await?;
            let target = Target {
                peer: self.name().to_owned(),
                address: loopback(port),
                origin,
                paths: PATHS,
                roles: roles(),
                accounts: Accounts {
                    prefix: "user-".to_owned(),
                    count: USERS,
                    password: PASSWORD,
                },
                login: LoginForm {
                    user: "username",
                    password: "password",
                },
                scenarios: Scenario::all().filter(|it| can(*it)).collect(),
                beside: Beside::Postgres,
                pid: running.pid(),
                warmup: Duration::from_secs(4),
            };
            Ok(Started {
                processes: vec![running],
                targets: vec![target],
            })
        })
    }
}

/// Its access tokens are JWTs, its discovery has no `ETag`, its passwords are always hashed.
fn can(scenario: Scenario) -> bool {
    !scenario.administers()
        && !matches!(
            scenario,
            Scenario::NotModified
                | Scenario::S4
                | Scenario::S6H0
                | Scenario::S6H1
                | Scenario::S8Opaque
                | Scenario::S9Opaque
        )
}

const PATHS: Paths = Paths {
    discovery: "/realms/bench/.well-known/openid-configuration",
    jwks: "/realms/bench/protocol/openid-connect/certs",
    authorize: "/realms/bench/protocol/openid-connect/auth",
    token: "/realms/bench/protocol/openid-connect/token",
    introspect: "/realms/bench/protocol/openid-connect/token/introspect",
    userinfo: "/realms/bench/protocol/openid-connect/userinfo",
    revoke: "/realms/bench/protocol/openid-connect/revoke",
};

fn roles() -> BTreeMap<RoleName, Role> {
    let role = |id: &str| Role::new(id, SECRET, "openid profile email").jwt();
    [
        (RoleName::Service, role("service")),
        (RoleName::ServiceRs256, role("service-rs256").rs256()),
        (RoleName::ServiceOpaque, role("service")),
        (RoleName::Web, role("web")),
        (RoleName::WebRs256, role("web-rs256").rs256()),
        (RoleName::WebJwt, role("web")),
    ]
    .into()
}

fn write_realm(home: &Path) -> Result<(), BenchError> {
    let folder = home.join("data/import");
    std::fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec(&realm())?;
    Ok(std::fs::write(folder.join("bench-realm.json"), text)?)
}

fn realm() -> Value {
    let client = |id: &str, is_service: bool, algorithm: &str| {
        json!({
            "clientId": id,
            "secret": SECRET,
            "publicClient": false,
            "standardFlowEnabled": !is_service,
            "serviceAccountsEnabled": is_service,
            "directAccessGrantsEnabled": false,
            "redirectUris": if is_service { vec![] } else { vec![CALLBACK] },
            "attributes": {
                "access.token.signed.response.alg": algorithm,
                "id.token.signed.response.alg": algorithm,
            },
        })
    };
    let user = |number| {
        json!({
            "username": format!("user-{number}"),
            "email": format!("user-{number}@example.com"),
            "emailVerified": true,
            "firstName": "Una",
            "lastName": "User",
            "enabled": true,
            "credentials": [{ "type": "password", "value": PASSWORD }],
        })
    };
    // Without this list the key for ES256 is made when it is first needed.
    let key = |provider: &str| json!({ "name": provider, "providerId": provider });
    json!({
        "realm": "bench",
        "components": { "org.keycloak.keys.KeyProvider": [
            key("rsa-generated"),
            key("ecdsa-generated"),
            key("hmac-generated"),
            key("aes-generated"),
        ] },
        "enabled": true,
        "sslRequired": "none",
        "accessTokenLifespan": 600,
        "revokeRefreshToken": true,
        "refreshTokenMaxReuse": 0,
        "clients": [
            client("service", true, "ES256"),
            client("service-rs256", true, "RS256"),
            client("web", false, "ES256"),
            client("web-rs256", false, "RS256"),
        ],
        "users": (0..USERS).map(user).collect::<Vec<_>>(),
    })
}
