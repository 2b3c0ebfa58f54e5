//! glewlwyd (Debian's package) on SQLite, set up through its administration API.

use std::{path::Path, process::Command, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    error::{BenchError, Fault},
    http::{Jar, Link},
    peers::{Peer, Site, Started, Starting},
    process::{Running, free_port, logged, loopback, output},
    scenario::Scenario,
    target::{Accounts, Beside, LoginForm, Paths, Role, RoleName, Target},
};

const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";
const PATIENCE: Duration = Duration::from_secs(30);
/// Debian's schema, with the administrator that the documentation names.
const SCHEMA: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// glewlwyd as a peer.
pub(crate) struct Glewlwyd;

impl Peer for Glewlwyd {
    fn name(&self) -> &'static str {
        "glewlwyd, SQLite"
    }

    fn start<'a>(&'a self, site: Site<'a>) -> Starting<'a> {
        Box::pin(async move {
            if !Path::new(SCHEMA).exists() {
                return Err(BenchError::Usage(
                    "glewlwyd is missing: run bench/peers/setup glewlwyd".to_owned(),
                ));
            }
            let port = free_port()?;
            let database = site.folder.join("glewlwyd.db");
            let schema = std::fs::read_to_string(SCHEMA)?;
            let connection =
                sea_orm::Database::connect(format!("sqlite://{}?mode=rwc", database.display()))
                    .await?;
            sea_orm::ConnectionTrait::execute_unprepared(&connection, &schema).await?;
            connection.close().await?;
            let settings = site.folder.join("glewlwyd.conf");
            std::fs::write(&settings, configuration(port, &database))?;
            let log = site.folder.join("log");
            let mut command = logged("glewlwyd", &log)?;
            command.arg("-c").arg(&settings);
            let child = site.layout.spawn_server(&mut command)?;
            let mut running = Running::new(self.name(), child, log);
            running.until_listening(port, PATIENCE).await?;
            let origin = format!("http://localhost:{port}");
            let [rsa, ec] = keys(&site.folder)?;
            let mut administrator = Administrator::log_in(port, &origin).await?;
            administrator.set_up(&origin, &rsa, &ec).await?;
            let target = Target {
                peer: self.name().to_owned(),
                address: loopback(port),
                origin,
                paths: PATHS,
                roles: [(
                    RoleName::Service,
                    Role::new("service", SECRET, "reports").jwt(),
                )]
                .into(),
                accounts: Accounts {
                    prefix: "user-".to_owned(),
                    count: 1,
                    password: "",
                },
                login: LoginForm {
                    user: "username",
                    password: "password",
                },
                // Its login is a JavaScript application; introspection and revocation want a token of
                // a user. What is left is what a machine does alone.
                scenarios: [Scenario::Discovery, Scenario::Jwks, Scenario::S2].into(),
                beside: Beside::Nothing,
                pid: running.pid(),
                warmup: Duration::from_millis(500),
            };
            Ok(Started {
                processes: vec![running],
                targets: vec![target],
            })
        })
    }
}

const PATHS: Paths = Paths {
    discovery: "/api/bench/.well-known/openid-configuration",
    jwks: "/api/bench/jwks",
    authorize: "/api/bench/auth",
    token: "/api/bench/token",
    introspect: "/api/bench/introspect",
    userinfo: "/api/bench/userinfo",
    revoke: "/api/bench/revoke",
};

fn configuration(port: u16, database: &Path) -> String {
    format!(
        r#"port={port}
bind_address="127.0.0.1"
external_url="http://localhost:{port}/"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{}" }}
"#,
        database.display()
    )
}

/// A pair for ES256, PEM: private and public.
fn keys(folder: &Path) -> Result<[String; 2], BenchError> {
    let private = folder.join("ec.pem");
    output(
        Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt"])
            .args(["ec_paramgen_curve:P-256", "-out"])
            .arg(&private),
    )?;
    let public = output(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&private),
    )?;
    Ok([std::fs::read_to_string(private)?, public])
}

/// A session at the administration API.
struct Administrator {
    link: Link,
    jar: Jar,
}

impl Administrator {
    async fn log_in(port: u16, origin: &str) -> Result<Self, BenchError> {
        let host = origin.strip_prefix("http://").unwrap_or_default();
        let host =
            HeaderValue::from_str(host).unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        let mut own = Self {
            link: Link::new(loopback(port), host),
            jar: Jar::default(),
        };
        // Of its documentation, in a database that lives as long as the bench.
        let credentials = json!({ "username": "admin", "password": "password" });
        own.post("/api/auth/", &credentials).await?;
        Ok(own)
    }

    async fn set_up(
        &mut self,
        origin: &str,
        private: &str,
        public: &str,
    ) -> Result<(), BenchError> {
        let scope = json!({ "name": "reports", "display_name": "Reports", "description": "Reports",
            "password_required": false, "scheme": {} });
        self.post("/api/scope/", &scope).await?;
        let client = json!({ "client_id": "service", "name": "service", "confidential": true,
            "enabled": true, "client_secret": SECRET, "scope": ["reports"],
            "authorization_type": ["client_credentials"], "redirect_uri": ["http://127.0.0.1:9/"],
            "token_endpoint_auth_method": ["client_secret_basic"] });
        self.post("/api/client/?source=database", &client).await?;
        let plugin = json!({ "module": "oidc", "name": "bench", "display_name": "bench",
            "enabled": true, "parameters": {
                "iss": format!("{origin}/api/bench"), "jwt-type": "ecdsa", "jwt-key-size": "256",
                "key": private, "cert": public, "access-token-duration": 600,
                "refresh-token-duration": 1_209_600, "code-duration": 60,
                "refresh-token-rolling": true, "allow-non-oidc": true,
                "auth-type-client-enabled": true, "auth-type-code-enabled": true,
                "auth-type-refresh-enabled": true, "auth-type-password-enabled": false,
                "auth-type-implicit-enabled": false, "auth-type-none-enabled": false,
                "auth-type-device-enabled": false, "auth-type-token-enabled": false,
                "auth-type-id-token-enabled": false,
                "secret-type": "pairwise", "subject-type": "public",
                "jwks-show": true, "pkce-allowed": true,
            } });
        self.post("/api/mod/plugin/", &plugin).await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Result<(), BenchError> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(cookies) = self.jar.header(path) {
            headers.insert(header::COOKIE, cookies);
        }
        let failed = |fault: Fault| BenchError::Prepare {
            peer: "glewlwyd".to_owned(),
            scenario: "set-up".to_owned(),
            fault,
        };
        let reply = self.link.send(request).await.map_err(failed)?;
        self.jar.keep(&reply.headers);
        if reply.status.is_success() {
            return Ok(());
        }
        Err(failed(reply.unexpected(path)))
    }
}
