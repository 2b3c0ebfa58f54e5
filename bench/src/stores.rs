//! Throw-away PostgreSQL and Redis servers, beside the generator. What PostgreSQL acknowledges it has
//! written (fsync is on), as in production.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::getuid;
use sea_orm::{ConnectionTrait as _, Database};

use crate::{
    error::BenchError,
    process::{Running, free_port, logged, output},
    target::Beside,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The servers beside the providers, started when the first one needs them.
pub(crate) struct Stores {
    folder: PathBuf,
    postgres: Option<(Running, u16)>,
    redis: Option<(Running, u16)>,
}

impl Stores {
    /// None yet; their data will be in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            postgres: None,
            redis: None,
        }
    }

    /// The Redis server as a URL.
    pub(crate) async fn redis(&mut self) -> Result<String, BenchError> {
        if let Some((_, port)) = &self.redis {
            return Ok(format!("redis://127.0.0.1:{port}/"));
        }
        let port = free_port()?;
        let log = self.folder.join("redis.log");
        let child = logged("redis-server", &log)?
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string(), "--dir"])
            .arg(&self.folder)
            .spawn()?;
        let mut running = Running::new("Redis", child, log);
        running.until_listening(port, PATIENCE).await?;
        self.redis = Some((running, port));
        Ok(format!("redis://127.0.0.1:{port}/"))
    }

    /// A new database on the PostgreSQL server: host and port, and the name of the user.
    pub(crate) async fn database(&mut self, name: &str) -> Result<(u16, &'static str), BenchError> {
        let port = match &self.postgres {
            Some((_, port)) => *port,
            None => self.start_postgres().await?,
        };
        let url = format!("postgres://{USER}@127.0.0.1:{port}/postgres");
        let connection = Database::connect(url).await?;
        connection
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await?;
        connection.close().await?;
        Ok((port, USER))
    }

    async fn start_postgres(&mut self) -> Result<u16, BenchError> {
        let programs = postgres_programs()?;
        let port = free_port()?;
        let home = self.folder.join("postgres");
        std::fs::create_dir_all(&home)?;
        let data = home.join("data");
        if getuid().is_root() {
            open_to_all(&self.folder)?;
            output(Command::new("chown").arg("postgres:").arg(&home))?;
        }
        output(
            as_database_user(&programs.join("initdb"))
                .args(["--username", USER, "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync", "--pgdata"])
                .arg(&data)
                .current_dir(&home),
        )?;
        let log = self.folder.join("postgres.log");
        let file = std::fs::File::create(&log)?;
        let child = as_database_user(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&home)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "max_connections=300", "-c", "shared_buffers=256MB"])
            .current_dir(&home)
            .stdin(std::process::Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let mut running = Running::new("PostgreSQL", child, log);
        running.until_listening(port, PATIENCE).await?;
        // It listens before it lets anybody in.
        let url = format!("postgres://{USER}@127.0.0.1:{port}/postgres");
        while Database::connect(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.postgres = Some((running, port));
        Ok(port)
    }

    /// The processes that work for a provider.
    pub(crate) fn pids(&self, beside: Beside) -> Vec<u32> {
        let pid = |server: &Option<(Running, u16)>| server.as_ref().map(|(it, _)| it.pid());
        let (postgres, redis) = (pid(&self.postgres), pid(&self.redis));
        let pids = match beside {
            Beside::Nothing => [None, None],
            Beside::Redis => [redis, None],
            Beside::Postgres => [postgres, None],
            Beside::PostgresAndRedis => [postgres, redis],
        };
        pids.into_iter().flatten().collect()
    }
}

const USER: &str = "bench";

/// Debian keeps the server's programs off PATH.
fn postgres_programs() -> Result<PathBuf, BenchError> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| {
        BenchError::Usage(
            "PostgreSQL is missing: apt-get install postgresql, or leave out the peers that need it"
                .to_owned(),
        )
    })
}

/// PostgreSQL refuses to run as root.
fn as_database_user(program: &Path) -> Command {
    if !getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg("--")
        .arg(program);
    command
}

fn open_to_all(folder: &Path) -> Result<(), BenchError> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        folder,
        std::fs::Permissions::from_mode(0o711),
    )?)
}
