//! `healthcheck`: asks the running server, for containers without a shell.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{CliError, Global};

/// Longer is unhealthy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ask the running server whether it is ready
///
/// Exit code 0 if it is, 5 if not. Example, in a container file:
/// HEALTHCHECK CMD countersign healthcheck
#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// The management address [default: the configured one]
    #[arg(long)]
    address: Option<SocketAddr>,
}

impl Healthcheck {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        let address = match self.address {
            Some(address) => address,
            None => global.load()?.management,
        };
        let answer = tokio::time::timeout(PATIENCE, ask(address)).await;
        let answer = answer
            .map_err(|_| CliError::unavailable(format!("{address} does not answer in time")))?
            .map_err(|error| CliError::unavailable(format!("{address}: {error}")))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let body: Value = serde_json::from_str(body).unwrap_or(json!({}));
        if head.starts_with("HTTP/1.1 200") {
            return global.output().print(&body, "ready");
        }
        Err(CliError::unavailable(format!(
            "the server is not ready: {body}"
        )))
    }
}

/// One request by hand: a client library would be heavier than the question.
async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).await?;
    Ok(answer)
}
