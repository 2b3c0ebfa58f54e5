//! Redis servers for tests: the one that `REDIS_URL` names, or throw-away ones of our own.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use countersign::infrastructure::state::{RedisOptions, RedisStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A store with a namespace of its own on the server that all tests share.
pub(crate) async fn open() -> RedisStore {
    RedisStore::connect(&options(shared_url())).await.unwrap()
}

/// Options with a namespace that no other test uses, in this or any other process.
pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions {
        url: url.into(),
        ca_file: None,
        namespace: format!("test-{}", random_name()),
    }
}

/// The URL of the server that all tests share: what `REDIS_URL` says, else one that ends with this
/// process.
pub(crate) fn shared_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("REDIS_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => SERVER.get_or_init(RedisServer::start).url(),
    })
}

/// A Redis server on a free loopback port, with a password. It ends when this is dropped, and also
/// when the test process ends in any other way.
pub(crate) struct RedisServer {
    settings: Settings,
    guardian: Child,
    /// A line makes the guardian restart the server; the end makes it clean up.
    lifeline: Option<ChildStdin>,
}

impl RedisServer {
    /// A server without TLS.
    pub(crate) fn start() -> Self {
        Self::launch(Transport::Plain)
    }

    /// A server that speaks nothing but TLS, with a certificate for 127.0.0.1 from an authority of
    /// its own.
    pub(crate) fn start_with_tls() -> Self {
        Self::launch(Transport::Tls)
    }

    /// Scheme, password and address.
    pub(crate) fn url(&self) -> String {
        self.url_with_password(&self.settings.password)
    }

    /// The same with another password.
    pub(crate) fn url_with_password(&self, password: &str) -> String {
        let scheme = match self.settings.transport {
            Transport::Plain => "redis",
            Transport::Tls => "rediss",
        };
        format!("{scheme}://:{password}@127.0.0.1:{}", self.settings.port)
    }

    /// What a client must say.
    pub(crate) fn password(&self) -> &str {
        &self.settings.password
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.settings.directory.join("ca.pem")
    }

    /// Sends a signal such as `STOP` or `CONT` to the server.
    pub(crate) fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.settings.directory.join("pid")).unwrap();
        let mut kill = Command::new("kill");
        let status = kill.args([&format!("-{name}"), pid.trim()]).status();
        assert!(status.unwrap().success());
    }

    /// Keeps what the server holds now: what it will hold again after a restart.
    pub(crate) async fn keep(&self) {
        let client = ::redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: () = ::redis::cmd("SAVE")
            .query_async(&mut connection)
            .await
            .unwrap();
    }

    /// Forgets what was kept: the next restart is empty.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(self.settings.directory.join("dump.rdb"));
    }

    /// Kills the server and starts another at the same address, empty or with what was kept.
    pub(crate) fn restart(&mut self) {
        fs::remove_file(self.settings.log()).unwrap();
        self.lifeline.as_ref().unwrap().write_all(b"\n").unwrap();
        assert!(
            self.settings.wait_until_up(),
            "the port was taken in between"
        );
    }

    fn launch(transport: Transport) -> Self {
        let found = Command::new("redis-server").arg("--version").output();
        assert!(
            found.is_ok_and(|output| output.status.success()),
            "these tests need a Redis server: run ./scripts/test, which installs one, or name one \
             in REDIS_URL"
        );
        // A port that is free when we look may be taken when Redis does.
        for _ in 0..10 {
            let settings = Settings::new(transport);
            let (guardian, lifeline) = settings.spawn();
            let server = Self {
                settings,
                guardian,
                lifeline: Some(lifeline),
            };
            if server.settings.wait_until_up() {
                return server;
            }
        }
        panic!("redis-server finds no free port");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.lifeline = None;
        let _ = self.guardian.wait();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

struct Settings {
    transport: Transport,
    port: u16,
    password: String,
    directory: PathBuf,
}

/// Runs Redis until standard input ends, which it does even if the test process is killed.
const GUARDIAN: &str = r#"
directory="$1"; shift
redis-server "$@" < /dev/null & server=$!
while read -r _; do
  kill -KILL $server; wait $server
  redis-server "$@" < /dev/null & server=$!
done
kill -KILL $server; wait $server
rm -rf "$directory"
"#;

impl Settings {
    fn new(transport: Transport) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("countersign-redis-")
            .tempdir()
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        Self {
            transport,
            port: port.unwrap().port(),
            password: random_name(),
            directory: directory.keep(),
        }
    }

    fn spawn(&self) -> (Child, ChildStdin) {
        if self.transport == Transport::Tls {
            self.write_certificates();
        }
        let mut guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian"])
            .arg(&self.directory)
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lifeline = guardian.stdin.take().unwrap();
        (guardian, lifeline)
    }

    fn arguments(&self) -> Vec<String> {
        let port = self.port.to_string();
        let listening = match self.transport {
            Transport::Plain => format!("--port {port}"),
            Transport::Tls => format!(
                "--port 0 --tls-port {port} --tls-auth-clients no --tls-cert-file server.pem \
                 --tls-key-file server.key --tls-ca-cert-file ca.pem"
            ),
        };
        let rest = format!(
            "--bind 127.0.0.1 --requirepass {} --appendonly no --maxmemory-policy noeviction \
             --logfile log --pidfile pid",
            self.password
        );
        let directory = self.directory.to_str().unwrap();
        let words = listening.split(' ').chain(rest.split(' '));
        ["--dir", directory, "--save", ""]
            .into_iter()
            .chain(words)
            .map(str::to_owned)
            .collect()
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Waits until the server's log says that it is ready, or that it cannot listen.
    fn wait_until_up(&self) -> bool {
        for _ in 0..2_000 {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            if log.contains("Ready to accept connections") {
                return true;
            }
            if log.contains("Failed listening") {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let log = fs::read_to_string(self.log());
        panic!("redis-server does not become ready: {log:?}");
    }

    fn write_certificates(&self) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&server_key, &issuer).unwrap();
        for (name, pem) in [
            ("ca.pem", certificate.pem()),
            ("server.pem", server.pem()),
            ("server.key", server_key.serialize_pem()),
        ] {
            fs::write(self.directory.join(name), pem).unwrap();
        }
    }
}

fn random_name() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
