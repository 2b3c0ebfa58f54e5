//! Countersign itself, on either pair of stores, set up by its own command line.
//!
//! Two processes on one configuration but for what is server-wide: the second signs access tokens RS256
//! and hashes passwords as Keycloak does.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    error::BenchError,
    peers::{Peer, Site, Started, Starting},
    process::{Running, free_port, logged, loopback, output},
    scenario::Scenario,
    seed,
    target::{Accounts, Beside, CALLBACK, LoginForm, Paths, Role, RoleName, Target},
};

/// Never this short in the world.
const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";
const PASSWORD: &str = "correct horse battery staple";
const PATIENCE: Duration = Duration::from_mins(1);
const SCOPE: &str = "openid profile email offline_access";

/// Which stores it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Embedded,
    Servers,
}

/// What differs between its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// As delivered.
    Usual,
    /// RS256 access tokens, and the password cost of Keycloak.
    Other,
}

/// Countersign as a peer.
pub(crate) struct Countersign {
    binary: PathBuf,
    users: usize,
    stage: Stage,
}

/// One process to be: its folder and its environment.
pub(crate) struct Setup {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) management: u16,
    /// The database, for seeding.
    pub(crate) database: String,
    settings: Vec<(&'static str, String)>,
}

impl Countersign {
    /// On SQLite and the embedded store.
    pub(crate) fn sqlite(binary: &Path, users: usize) -> Self {
        Self {
            binary: binary.to_owned(),
            users,
            stage: Stage::Embedded,
        }
    }

    /// On PostgreSQL and Redis.
    pub(crate) fn postgres(binary: &Path, users: usize) -> Self {
        Self {
            stage: Stage::Servers,
            ..Self::sqlite(binary, users)
        }
    }

    /// Prepares and starts it as delivered and nothing else, with the address of its database.
    pub(crate) async fn launch_usual(
        &self,
        site: &mut Site<'_>,
    ) -> Result<(Running, Target, String), BenchError> {
        self.launch(site, Variant::Usual).await
    }

    /// What a process of this setup can do.
    pub(crate) fn usual_target(&self, setup: &Setup, pid: u32) -> Target {
        self.target(setup, pid, Variant::Usual, self.users)
    }

    /// Prepares and starts one process.
    async fn launch(
        &self,
        site: &mut Site<'_>,
        variant: Variant,
    ) -> Result<(Running, Target, String), BenchError> {
        let mut setup = Setup::new(site.folder.join(variant.folder()))?;
        setup.set("KEYS__ACCESS_TOKEN_ALGORITHM", variant.algorithm());
        let (memory, passes) = variant.cost();
        setup.set("PASSWORDS__MEMORY_KIB", memory);
        setup.set("PASSWORDS__PASSES", passes);
        if self.stage == Stage::Servers {
            let name = format!("countersign_{}_{}", variant.folder(), site.number);
            let (port, user) = site.stores.database(&name).await?;
            setup.database = format!("postgres://{user}@127.0.0.1:{port}/{name}");
            setup.set("DATABASE__URL", setup.database.clone());
            setup.set("STATE__REDIS_URL", site.stores.redis().await?);
            setup.set("STATE__REDIS_NAMESPACE", name);
        }
        let users = match variant {
            Variant::Usual => self.users,
            Variant::Other => self.users.min(100),
        };
        setup.register(&self.binary)?;
        seed::users(&setup.database, users).await?;
        let log = setup.folder.join("log");
        let child = site
            .layout
            .spawn_server(setup.command(&self.binary, &log)?.arg("serve"))?;
        let mut running = Running::new(self.name(), child, log);
        running
            .until_ready(setup.management, "/health/ready", PATIENCE)
            .await?;
        setup.administrator(&self.binary)?;
        let target = self.target(&setup, running.pid(), variant, users);
        Ok((running, target, setup.database))
    }

    fn target(&self, setup: &Setup, pid: u32, variant: Variant, users: usize) -> Target {
        Target {
            peer: self.name().to_owned(),
            address: loopback(setup.port),
            origin: setup.origin(),
            paths: PATHS,
            roles: roles(&setup.origin()),
            accounts: Accounts {
                prefix: "user-".to_owned(),
                count: users,
                password: PASSWORD,
            },
            login: LoginForm {
                user: "username",
                password: "password",
            },
            scenarios: match variant {
                Variant::Usual => Scenario::all()
                    .filter(|scenario| {
                        !scenario.administers()
                            && !matches!(scenario, Scenario::S3 | Scenario::S6H0 | Scenario::S6Hk)
                    })
                    .collect(),
                Variant::Other => [Scenario::S3, Scenario::S6Hk].into(),
            },
            beside: match self.stage {
                Stage::Embedded => Beside::Nothing,
                Stage::Servers => Beside::PostgresAndRedis,
            },
            pid,
            warmup: Duration::from_millis(500),
        }
    }
}

impl Peer for Countersign {
    fn name(&self) -> &'static str {
        match self.stage {
            Stage::Embedded => "Countersign, SQLite",
            Stage::Servers => "Countersign, PostgreSQL + Redis",
        }
    }

    fn start<'a>(&'a self, mut site: Site<'a>) -> Starting<'a> {
        Box::pin(async move {
            let mut started = Started {
                processes: Vec::new(),
                targets: Vec::new(),
            };
            for variant in [Variant::Usual, Variant::Other] {
                let (running, target, _) = self.launch(&mut site, variant).await?;
                started.processes.push(running);
                started.targets.push(target);
            }
            Ok(started)
        })
    }
}

impl Variant {
    fn folder(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Other => "other",
        }
    }

    fn algorithm(self) -> &'static str {
        match self {
            Self::Usual => "ES256",
            Self::Other => "RS256",
        }
    }

    /// KiB and passes of a password hash.
    fn cost(self) -> (&'static str, &'static str) {
        match self {
            Self::Usual => ("19456", "2"),
            Self::Other => ("7168", "5"),
        }
    }
}

impl Setup {
    /// In this folder, on SQLite until told otherwise.
    pub(crate) fn new(folder: PathBuf) -> Result<Self, BenchError> {
        std::fs::create_dir_all(&folder)?;
        let mut setup = Self {
            database: format!(
                "sqlite://{}?mode=rwc",
                folder.join("countersign.db").display()
            ),
            folder,
            port: free_port()?,
            management: free_port()?,
            settings: Vec::new(),
        };
        setup.set("ISSUER", setup.origin());
        setup.set("SERVER__ADDRESS", "127.0.0.1");
        setup.set("SERVER__PORT", setup.port.to_string());
        setup.set("MANAGEMENT__PORT", setup.management.to_string());
        setup.set("DATABASE__URL", setup.database.clone());
        setup.set("STATE__DIRECTORY", setup.path("state"));
        setup.set("KEYS__DIRECTORY", setup.path("keys"));
        // One account logs in again and again, from one address.
        setup.set("LIMITS__LOGIN_PER_ACCOUNT", "1000000");
        setup.set("LIMITS__LOGIN_PER_ADDRESS", "1000000");
        setup.set("LIMITS__REQUESTS", "off");
        setup.set("SERVER__DRAIN", "0s");
        Ok(setup)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The issuer.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A setting of docs/configuration.md; the last one of a name holds.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.retain(|(present, _)| *present != name);
        self.settings.push((name, value.into()));
    }

    /// The program with this configuration. Its output goes to `log`.
    pub(crate) fn command(&self, binary: &Path, log: &Path) -> Result<Command, BenchError> {
        let mut command = logged(std::fs::canonicalize(binary)?, log)?;
        self.configure(&mut command);
        Ok(command)
    }

    fn configure(&self, command: &mut Command) {
        command.current_dir(&self.folder);
        command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
        for (name, value) in &self.settings {
            command.env(format!("COUNTERSIGN__{name}"), value);
        }
    }

    /// Makes the schema, one user and the clients.
    pub(crate) fn register(&self, binary: &Path) -> Result<(), BenchError> {
        self.run(binary, &["migrate", "up"], "")?;
        let user = ["user", "add", "user-0", "--email", "user-0@example.com"];
        let more = ["--email-verified", "--given-name", "Una", "--family-name"];
        let rest = ["User", "--password-stdin"];
        self.run(binary, &[&user[..], &more, &rest].concat(), PASSWORD)?;
        let service = ["--service", "--scope", "reports:read"];
        let web = ["--web", "--consent", "implied", "--redirect-uri", CALLBACK];
        let web = [&web[..], &["--scope", SCOPE]].concat();
        let opaque = ["--access-token-format", "opaque"];
        let es256 = ["--id-token-alg", "ES256"];
        self.client(binary, "service", &service)?;
        self.client(binary, "service-opaque", &[&service[..], &opaque].concat())?;
        self.client(binary, "web", &[&web[..], &opaque, &es256].concat())?;
        self.client(binary, "web-rs256", &[&web[..], &opaque].concat())?;
        self.client(binary, "web-jwt", &[&web[..], &es256].concat())
    }

    /// A service that may do everything over the administration API, which the server knows once it runs.
    fn administrator(&self, binary: &Path) -> Result<(), BenchError> {
        let here = administration(&self.origin());
        let everything = ["--service", "--scope", "*", "--resource", &here];
        self.client(binary, "administrator", &everything)
    }

    fn client(&self, binary: &Path, id: &str, flags: &[&str]) -> Result<(), BenchError> {
        let create = ["client", "create", "--name", id, "--client-id", id];
        let create = [&create[..], flags, &["--secret-stdin"]].concat();
        self.run(binary, &create, SECRET)
    }

    fn run(&self, binary: &Path, arguments: &[&str], input: &str) -> Result<(), BenchError> {
        let mut command = Command::new(std::fs::canonicalize(binary)?);
        self.configure(&mut command);
        command.args(arguments);
        if input.is_empty() {
            return output(&mut command).map(drop);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(BenchError::Program {
            program: format!("countersign {}", arguments.join(" ")),
            text: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

/// Its endpoints.
const PATHS: Paths = Paths {
    discovery: "/.well-known/openid-configuration",
    jwks: "/oauth2/jwks.json",
    authorize: "/oauth2/authorize",
    token: "/oauth2/token",
    introspect: "/oauth2/introspect",
    userinfo: "/oauth2/userinfo",
    revoke: "/oauth2/revoke",
};

fn administration(origin: &str) -> String {
    format!("{origin}/api/admin")
}

fn roles(origin: &str) -> std::collections::BTreeMap<RoleName, Role> {
    let service = |id: &str| Role::new(id, SECRET, "reports:read");
    let web = |id: &str| Role::new(id, SECRET, SCOPE);
    [
        (RoleName::Service, service("service").jwt()),
        (RoleName::ServiceRs256, service("service").jwt().rs256()),
        (RoleName::ServiceOpaque, service("service-opaque")),
        (RoleName::Web, web("web")),
        (RoleName::WebRs256, web("web-rs256").rs256()),
        (RoleName::WebJwt, web("web-jwt").jwt()),
        (
            RoleName::Administrator,
            Role::new("administrator", SECRET, "*")
                .jwt()
                .at(administration(origin)),
        ),
    ]
    .into()
}
