//! Measures what a binary needs: from start to ready on an existing database, memory at rest, and
//! processor time of the static documents. Machines are noisy: compare binaries in one run.

mod server;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

use crate::server::{BenchError, Server, Site};

/// Starts the server several times on one throw-away database and prints what it needed.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The binaries to measure; two or more are measured in turns
    #[arg(default_value = "target/release/countersign")]
    binaries: Vec<PathBuf>,
    /// Starts of each binary
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Requests for each document in a round
    #[arg(long, default_value_t = 2000)]
    requests: u32,
}

/// What one start showed.
#[derive(Clone, Copy, Debug)]
struct Sample {
    ready: Duration,
    rss_kib: u64,
    discovery: Duration,
    jwks: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BenchError> {
    let site = Site::new()?;
    for binary in &arguments.binaries {
        // The first start makes database and keys; it is not what is measured.
        Server::start(binary, &site).await?.stop()?;
    }
    let mut samples = vec![Vec::new(); arguments.binaries.len()];
    for _ in 0..arguments.rounds {
        for (binary, samples) in arguments.binaries.iter().zip(&mut samples) {
            samples.push(measure(binary, &site, arguments.requests).await?);
        }
    }
    println!(
        "{:<40} {:>10} {:>10} {:>14} {:>14}",
        "binary (medians)", "ready ms", "idle MB", "discovery us", "jwks us"
    );
    for (binary, samples) in arguments.binaries.iter().zip(&samples) {
        println!(
            "{:<40} {:>10.0} {:>10.1} {:>14.1} {:>14.1}",
            binary.display(),
            median(samples, |s| s.ready.as_secs_f64() * 1e3),
            median(samples, |s| kib_as_mb(s.rss_kib)),
            median(samples, |s| s.discovery.as_secs_f64() * 1e6),
            median(samples, |s| s.jwks.as_secs_f64() * 1e6),
        );
    }
    Ok(())
}

async fn measure(
    binary: &std::path::Path,
    site: &Site,
    requests: u32,
) -> Result<Sample, BenchError> {
    let server = Server::start(binary, site).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rss_kib = server.rss_kib()?;
    let discovery = server
        .cpu_per_request("/.well-known/openid-configuration", requests)
        .await?;
    let jwks = server
        .cpu_per_request("/oauth2/jwks.json", requests)
        .await?;
    let sample = Sample {
        ready: server.ready,
        rss_kib,
        discovery,
        jwks,
    };
    server.stop()?;
    Ok(sample)
}

#[expect(clippy::cast_precision_loss, reason = "memory fits a float's 52 bits")]
fn kib_as_mb(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let sample = |ms| Sample {
            ready: Duration::from_millis(ms),
            rss_kib: 0,
            discovery: Duration::ZERO,
            jwks: Duration::ZERO,
        };
        let samples = [sample(9), sample(1), sample(5)];
        assert!((median(&samples, |s| s.ready.as_secs_f64() * 1e3) - 5.0).abs() < 1e-9);
    }
}
