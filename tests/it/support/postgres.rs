//! The PostgreSQL server for tests: the one that `DATABASE_URL` names, or a throw-away one of our own.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

/// The URL of the server that all tests share: what `DATABASE_URL` says, else one that ends with this
/// process.
pub(crate) fn shared_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => SERVER.get_or_init(PostgresServer::start).url(),
    })
}

/// A PostgreSQL server on a free loopback port. It ends when this is dropped, and also when the test
/// process ends in any other way.
struct PostgresServer {
    port: u16,
    directory: PathBuf,
    _guardian: Child,
    /// The guardian ends the server when this is closed.
    _lifeline: ChildStdin,
}

/// Runs PostgreSQL until standard input ends, which it does even if the test process is killed.
/// PostgreSQL refuses to run as root.
const GUARDIAN: &str = r#"
trap '' INT TERM
directory="$1"; bin="$2"; port="$3"
as=
if [ "$(id -u)" = 0 ]; then
  as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
  chown postgres: "$directory"
fi
cd "$directory"
$as env LC_ALL=C.UTF-8 "$bin/initdb" --username=countersign --auth=trust --encoding=UTF8 --no-sync \
  --pgdata="$directory/data" > log 2>&1 || echo "initdb failed" >> log
$as "$bin/postgres" -D "$directory/data" -p "$port" -k "$directory" -c listen_addresses=127.0.0.1 \
  -c max_connections=300 -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
  < /dev/null >> log 2>&1 & server=$!
read -r _
kill -QUIT $server; wait $server
cd /; rm -rf "$directory"
"#;

impl PostgresServer {
    fn start() -> Self {
        let Some(programs) = programs() else {
            panic!(
                "these tests need a PostgreSQL server: run ./scripts/test, which installs one, or \
                 name one in DATABASE_URL"
            );
        };
        // A port that is free when we look may be taken when PostgreSQL does.
        for _ in 0..10 {
            let server = Self::launch(&programs);
            if server.wait_until_up() {
                return server;
            }
        }
        panic!("postgres finds no free port");
    }

    fn url(&self) -> String {
        format!("postgres://countersign@127.0.0.1:{}/postgres", self.port)
    }

    fn launch(programs: &Path) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("countersign-postgres-")
            .tempdir()
            .unwrap()
            .keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let port = port.unwrap().port();
        let mut guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian"])
            .args([&directory, programs])
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            port,
            directory,
            _lifeline: guardian.stdin.take().unwrap(),
            _guardian: guardian,
        }
    }

    /// Waits until the server's log says that it is ready, or that it cannot listen.
    fn wait_until_up(&self) -> bool {
        let log = self.directory.join("log");
        for _ in 0..6_000 {
            let log = fs::read_to_string(&log).unwrap_or_default();
            if log.contains("database system is ready to accept connections") {
                return true;
            }
            if log.contains("could not bind") {
                return false;
            }
            assert!(!log.contains("initdb failed"), "{log}");
            thread::sleep(Duration::from_millis(10));
        }
        let log = fs::read_to_string(log);
        panic!("postgres does not become ready: {log:?}");
    }
}

/// The folder of the newest PostgreSQL server. Debian keeps it off PATH.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let on_debian = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .max_by_key(|bin| {
            let version = bin.parent()?.file_name()?.to_str()?;
            version.parse::<u32>().ok()
        });
    let path = std::env::var_os("PATH").unwrap_or_default();
    on_debian
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}
