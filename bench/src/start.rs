//! `start`: from the start of a process to ready, and memory at rest.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    clock,
    cpu::{Layout, rss_kib},
    error::BenchError,
    peers::countersign::Setup,
    process::Running,
    report::median,
    seed,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// What `start` takes.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The binaries to measure, in turns
    #[arg(default_value = "target/release/countersign")]
    binaries: Vec<PathBuf>,
    /// Starts of each binary
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Accounts in the database
    #[arg(long, default_value_t = 1)]
    accounts: usize,
}

/// Runs `start`. The first start, which makes database and keys, is not counted.
pub(crate) async fn run(arguments: &Start) -> Result<(), BenchError> {
    /// When a process has settled.
    const REST: Duration = Duration::from_secs(3);
    let layout = Layout::of_machine()?;
    layout.pin_generator()?;
    let folder = tempfile::tempdir()?;
    let mut sites = Vec::new();
    for (number, binary) in arguments.binaries.iter().enumerate() {
        let setup = Setup::new(folder.path().join(number.to_string()))?;
        setup.register(binary)?;
        seed::users(&setup.database, arguments.accounts).await?;
        launch(&setup, binary, layout).await?;
        sites.push((binary, setup, Vec::new()));
    }
    for _ in 0..arguments.rounds {
        for (binary, setup, samples) in &mut sites {
            let (running, ready) = launch(setup, binary, layout).await?;
            tokio::time::sleep(REST).await;
            samples.push((ready, rss_kib(&[running.pid()])));
        }
    }
    println!(
        "{:<40} {:>10} {:>10}",
        "binary (medians)", "ready ms", "idle MB"
    );
    for (binary, _, samples) in &sites {
        println!(
            "{:<40} {:>10.0} {:>10.1}",
            binary.display(),
            median(samples.iter().map(|(ready, _)| ready.as_secs_f64() * 1e3)),
            median(samples.iter().map(|(_, rss)| *rss as f64 / 1024.0)),
        );
    }
    Ok(())
}

/// Starts a server and tells how long it took to be ready.
pub(crate) async fn launch(
    setup: &Setup,
    binary: &std::path::Path,
    layout: Layout,
) -> Result<(Running, Duration), BenchError> {
    let log = setup.folder.join("log");
    let mut command = setup.command(binary, &log)?;
    let began = clock::now();
    let child = layout.spawn_server(command.arg("serve"))?;
    let mut running = Running::new("Countersign", child, log);
    running
        .until_ready(setup.management, "/health/ready", PATIENCE)
        .await?;
    Ok((running, began.elapsed()))
}
