//! Programs that the bench starts, and that end with it.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};

use crate::{clock, error::BenchError, http::Link};

/// Between two questions whether a server is ready.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a server may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(20);

/// A program that ends when this is dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Takes over a child whose output goes to `log`.
    pub(crate) fn new(name: impl Into<String>, child: Child, log: PathBuf) -> Self {
        Self {
            child,
            name: name.into(),
            log,
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until GET of this path succeeds.
    pub(crate) async fn until_ready(
        &mut self,
        port: u16,
        path: &str,
        patience: Duration,
    ) -> Result<(), BenchError> {
        let began = clock::now();
        let host = HeaderValue::from_str(&format!("localhost:{port}"))
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        while began.elapsed() < patience && !self.has_ended() {
            let mut link = Link::new(loopback(port), host.clone());
            let mut request = Request::new(Full::default());
            *request.method_mut() = Method::GET;
            *request.uri_mut() = path.parse().unwrap_or_default();
            if link
                .send(request)
                .await
                .is_ok_and(|reply| reply.status.is_success())
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.not_ready(patience))
    }

    /// Waits until something listens there.
    pub(crate) async fn until_listening(
        &mut self,
        port: u16,
        patience: Duration,
    ) -> Result<(), BenchError> {
        let began = clock::now();
        while began.elapsed() < patience && !self.has_ended() {
            if std::net::TcpStream::connect(loopback(port)).is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.not_ready(patience))
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    fn not_ready(&self, patience: Duration) -> BenchError {
        /// Lines of the log to show.
        const LINES: usize = 8;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        BenchError::NotReady {
            name: self.name.clone(),
            seconds: patience.as_secs(),
            log: lines.get(from..).unwrap_or_default().join("\n"),
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        let began = clock::now();
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may be gone already, which is what we want.
            let _ = kill_process(pid, Signal::TERM);
        }
        while began.elapsed() < FAREWELL {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// This port on loopback.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    Ok(TcpListener::bind(loopback(0))?.local_addr()?.port())
}

/// A program whose output goes to a file.
pub(crate) fn logged(
    program: impl AsRef<std::ffi::OsStr>,
    log: &Path,
) -> Result<Command, BenchError> {
    let file = File::create(log)?;
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    Ok(command)
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, BenchError> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(BenchError::Program {
        program: command.get_program().to_string_lossy().into_owned(),
        text: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
