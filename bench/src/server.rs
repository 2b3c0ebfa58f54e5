//! A server under measurement, on loopback, with a database of its own.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions whether it is ready.
const PAUSE: Duration = Duration::from_millis(2);

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the server is not ready after {} s", PATIENCE.as_secs())]
    NotReady,
    #[error("the kernel does not tell about the process")]
    NoProcess,
}

/// Where the measured servers keep their data.
pub(crate) struct Site {
    folder: TempDir,
    port: u16,
    management: u16,
}

impl Site {
    pub(crate) fn new() -> Result<Self, BenchError> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            port: free_port()?,
            management: free_port()?,
        })
    }
}

fn free_port() -> Result<u16, std::io::Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    origin: String,
    http: reqwest::Client,
    /// From the start of the process to the first positive answer.
    pub(crate) ready: Duration,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "measuring is what this program is for"
    )]
    pub(crate) async fn start(binary: &Path, site: &Site) -> Result<Self, BenchError> {
        let binary = fs::canonicalize(binary)?;
        let origin = format!("http://localhost:{}", site.port);
        let started = Instant::now();
        let child = Command::new(binary)
            .arg("serve")
            .current_dir(site.folder.path())
            .env("COUNTERSIGN__ISSUER", &origin)
            .env("COUNTERSIGN__SERVER__ADDRESS", "127.0.0.1")
            .env("COUNTERSIGN__SERVER__PORT", site.port.to_string())
            .env("COUNTERSIGN__MANAGEMENT__PORT", site.management.to_string())
            .env("COUNTERSIGN__LOG__FILTER", "warn")
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .stdout(Stdio::null())
            .spawn()?;
        let http = reqwest::Client::new();
        let mut server = Self {
            child,
            origin,
            http,
            ready: Duration::ZERO,
        };
        let health = format!("http://127.0.0.1:{}/health/ready", site.management);
        while started.elapsed() < PATIENCE {
            let answer = server.http.get(&health).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                server.ready = started.elapsed();
                return Ok(server);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(BenchError::NotReady)
    }

    /// Resident memory.
    pub(crate) fn rss_kib(&self) -> Result<u64, BenchError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .ok_or(BenchError::NoProcess)?;
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .map_err(|_| BenchError::NoProcess)
    }

    /// Processor time of the server, all threads, for one request.
    pub(crate) async fn cpu_per_request(
        &self,
        path: &str,
        requests: u32,
    ) -> Result<Duration, BenchError> {
        let url = format!("{}{path}", self.origin);
        let before = self.cpu()?;
        for _ in 0..requests {
            self.http
                .get(&url)
                .send()
                .await?
                .error_for_status()?
                .bytes()
                .await?;
        }
        Ok(self.cpu()?.saturating_sub(before) / requests.max(1))
    }

    fn cpu(&self) -> Result<Duration, BenchError> {
        let mut nanoseconds = 0_u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedule = fs::read_to_string(task?.path().join("schedstat"))?;
            let spent = schedule
                .split(' ')
                .next()
                .and_then(|spent| spent.parse::<u64>().ok());
            nanoseconds += spent.ok_or(BenchError::NoProcess)?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Ends the server.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After stop() there is nothing left to end, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
