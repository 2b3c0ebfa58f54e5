//! The nodes under test, and what happens to them.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use countersign::domain::{client::AccessTokenFormat, time::Timestamp};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{rules::Book, workload::Target};
use crate::support::{
    app::{CALLBACK, PASSWORD, SECRET, Stage, TestApp, USERNAME, start},
    redis::RedisServer,
    sql::TestDatabase,
};

/// Between two faults.
const CALM: Duration = Duration::from_millis(1500);

/// What is under test.
pub(super) enum Rig {
    /// Real processes.
    Processes(Box<Processes>),
    /// Nodes in this process, whose clock can be turned.
    Clock(Box<Clock>),
}

impl Rig {
    pub(super) async fn embedded() -> Self {
        Self::Processes(Box::new(Processes::start(None).await))
    }

    pub(super) async fn servers() -> Self {
        let redis = tokio::task::spawn_blocking(RedisServer::start)
            .await
            .unwrap();
        Self::Processes(Box::new(Processes::start(Some(redis)).await))
    }

    pub(super) async fn clock(stage: Stage) -> Self {
        Self::Clock(Box::new(Clock::start(stage).await))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Processes(rig) if rig.redis.is_none() => "SQLite and embedded, kills",
            Self::Processes(_) => "PostgreSQL and Redis, two nodes, kills and losses",
            Self::Clock(rig) => match rig.stage {
                Stage::Embedded => "SQLite and embedded, clock steps",
                Stage::Servers => "PostgreSQL and Redis, two nodes, clock steps",
            },
        }
    }

    pub(super) fn target(&self) -> Target {
        match self {
            Self::Processes(rig) => rig.target(),
            Self::Clock(rig) => rig.target.clone(),
        }
    }

    /// Lets faults strike for so long; which they were.
    pub(super) async fn strike(self, book: &Arc<Book>, duration: Duration) -> Vec<&'static str> {
        let end = Instant::now() + duration;
        match self {
            Self::Processes(rig) => {
                let book = book.clone();
                let struck = tokio::task::spawn_blocking(move || rig.strike(&book, end));
                struck.await.unwrap()
            }
            Self::Clock(rig) => rig.strike(book, end).await,
        }
    }
}

pub(super) struct Processes {
    folder: TempDir,
    nodes: Vec<Node>,
    redis: Option<RedisServer>,
    issuer: String,
    _database: TestDatabase,
    runtime: tokio::runtime::Handle,
}

struct Node {
    port: u16,
    config: String,
    child: Option<Child>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Processes {
    async fn start(redis: Option<RedisServer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match redis {
            Some(_) => TestDatabase::postgres().await,
            None => TestDatabase::sqlite(),
        };
        let ports: Vec<u16> = (0..if redis.is_some() { 2 } else { 1 })
            .map(|_| free_port())
            .collect();
        let issuer = format!("http://localhost:{}", ports[0]);
        let path = folder.path().display();
        let nodes = ports
            .iter()
            .map(|port| {
                let state = match &redis {
                    Some(redis) => format!("redis_url = \"{}\"", redis.url()),
                    None => format!("directory = \"{path}/state\""),
                };
                let text = format!(
                    "issuer = \"{issuer}\"\n[server]\naddress = \"127.0.0.1\"\nport = {port}\ndrain = \"0s\"\n\
                     [management]\nport = {}\n[database]\nurl = \"{}\"\n[state]\n{state}\n\
                     [keys]\ndirectory = \"{path}/keys\"\n[limits]\nlogin_per_account = 1000000\n\
                     login_per_address = 1000000\nrequests = \"off\"\n[log]\nfilter = \"warn\"\n",
                    free_port(),
                    database.url(),
                );
                let config = format!("{path}/node-{port}.toml");
                fs::write(&config, text).unwrap();
                Node {
                    port: *port,
                    config,
                    child: None,
                }
            })
            .collect();
        let mut rig = Self {
            folder,
            nodes,
            redis,
            issuer,
            _database: database,
            runtime: tokio::runtime::Handle::current(),
        };
        tokio::task::block_in_place(|| rig.seed());
        rig
    }

    fn target(&self) -> Target {
        let base = |node: &Node| format!("http://localhost:{}", node.port);
        Target {
            nodes: self.nodes.iter().map(base).collect(),
            issuer: self.issuer.clone(),
        }
    }

    fn command(&self, node: &Node, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).args(["--config", &node.config]);
        command.current_dir(self.folder.path());
        for name in ["DATABASE_URL", "REDIS_URL", "COUNTERSIGN_CONFIG"] {
            command.env_remove(name);
        }
        command
    }

    /// Schema, user, clients, and all nodes running.
    fn seed(&mut self) {
        for at in 0..self.nodes.len() {
            self.launch(at);
        }
        let node = &self.nodes[0];
        let run = |arguments: &[&str], input: &str| {
            let mut child = self
                .command(node, arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(input.as_bytes())
                .unwrap();
            assert!(child.wait().unwrap().success(), "{arguments:?}");
        };
        run(&["user", "add", USERNAME, "--password-stdin"], PASSWORD);
        for client in ["web", "other"] {
            let format = if client == "web" { "jwt" } else { "opaque" };
            run(
                &[
                    "client",
                    "create",
                    "--web",
                    "--name",
                    client,
                    "--client-id",
                    client,
                    "--redirect-uri",
                    CALLBACK,
                    "--scope",
                    "openid offline_access",
                    "--access-token-format",
                    format,
                    "--secret-stdin",
                ],
                SECRET,
            );
        }
    }

    fn launch(&mut self, at: usize) {
        let child = self
            .command(&self.nodes[at], &["serve", "--output", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = child;
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(line.contains("ready"), "node {at} does not start");
        self.nodes[at].child = Some(child);
    }

    fn kill(&mut self, at: usize, signal: &str) {
        let mut child = self.nodes[at].child.take().unwrap();
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap();
    }

    fn strike(mut self: Box<Self>, book: &Book, end: Instant) -> Vec<&'static str> {
        let mut struck = Vec::new();
        std::thread::sleep(CALM);
        while Instant::now() < end {
            let fault = if self.redis.is_none() {
                ["kill -9", "kill -9", "stop"][struck.len() % 3]
            } else {
                [
                    "kill -9 of a node",
                    "Redis restarted empty",
                    "Redis silent for a second",
                    "Redis restarted behind",
                ][struck.len() % 4]
            };
            self.fault(fault, struck.len(), book);
            struck.push(fault);
            std::thread::sleep(CALM);
        }
        struck
    }

    fn fault(&mut self, fault: &str, number: usize, book: &Book) {
        match fault {
            "kill -9" => {
                self.kill(0, "-KILL");
                self.launch(0);
            }
            "stop" => {
                self.kill(0, "-TERM");
                self.launch(0);
            }
            "kill -9 of a node" => {
                let at = (number / 4) % self.nodes.len();
                self.kill(at, "-KILL");
                self.launch(at);
            }
            "Redis silent for a second" => {
                let redis = self.redis.as_ref().unwrap();
                redis.signal("STOP");
                std::thread::sleep(Duration::from_secs(1));
                redis.signal("CONT");
            }
            _ => {
                // What is lost is lost from the moment on in which it is not written down any more.
                book.lose();
                let redis = self.redis.as_mut().unwrap();
                if fault == "Redis restarted behind" {
                    self.runtime.block_on(redis.keep());
                    std::thread::sleep(CALM);
                } else {
                    redis.forget();
                }
                redis.restart();
                book.lose();
                std::thread::sleep(Duration::from_millis(500));
                book.lose();
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

pub(super) struct Clock {
    stage: Stage,
    app: TestApp,
    target: Target,
}

impl Clock {
    async fn start(stage: Stage) -> Self {
        let port = free_port();
        let app = TestApp::start_with(stage, |settings| {
            settings.issuer =
                countersign::protocol::issuer::Issuer::parse(&format!("http://localhost:{port}"))
                    .unwrap();
            settings.login_limits.per_account = 1_000_000;
            settings.login_limits.per_address = 1_000_000;
        })
        .await;
        app.change_client("other", |client| {
            client.tokens.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
        let mut nodes = vec![(port, app.router.clone())];
        if matches!(stage, Stage::Servers) {
            nodes.push((free_port(), app.another_node().await.router()));
        }
        let mut bases = Vec::new();
        for (port, router) in nodes {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
                .await
                .unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            bases.push(format!("http://localhost:{port}"));
        }
        Self {
            stage,
            app,
            target: Target {
                issuer: bases[0].clone(),
                nodes: bases,
            },
        }
    }

    async fn strike(self, book: &Book, end: Instant) -> Vec<&'static str> {
        let steps = [
            ("clock 30 s back", -30),
            ("clock an hour back", -3600),
            ("clock an hour ahead", 3600),
            ("clock set right", 0),
        ];
        let mut struck = Vec::new();
        while Instant::now() < end {
            tokio::time::sleep(CALM).await;
            let (name, offset) = steps[struck.len() % steps.len()];
            // A clock that jumps ahead ends what was short-lived; what it says of grants that are
            // older than its user's or client's beginning is its own affair.
            book.lose();
            self.app.clock.set(Timestamp(start().0 + offset));
            book.lose();
            tokio::time::sleep(Duration::from_millis(200)).await;
            book.lose();
            struck.push(name);
        }
        struck
    }
}
