//! `endure`: memory and cost while a million operations go by, and how long the store that they leave
//! takes to start with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;

use crate::{
    cpu::{Layout, rss_kib},
    error::BenchError,
    measure::{Crowd, closed},
    peers::countersign::{Countersign, Setup},
    scenario::Scenario,
    seed,
    start::launch,
};

/// What `endure` takes.
#[derive(Debug, Args)]
pub(crate) struct Endure {
    /// The Countersign to measure
    #[arg(long, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// What is done again and again
    #[arg(long, value_name = "SCENARIO", default_value = "s7a")]
    scenario: Scenario,
    /// How often
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// After how many a line is printed
    #[arg(long, default_value_t = 100_000)]
    step: u64,
    /// Accounts in the database
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// Virtual users
    #[arg(long, default_value_t = 16)]
    users: usize,
    /// Starts after it
    #[arg(long, default_value_t = 3)]
    starts: usize,
}

/// Runs `endure`, on SQLite and the embedded store.
pub(crate) async fn run(arguments: &Endure) -> Result<(), BenchError> {
    let layout = Layout::of_machine()?;
    layout.pin_generator()?;
    let folder = tempfile::tempdir()?;
    let binary = &arguments.binary;
    let setup = Setup::new(folder.path().join("usual"))?;
    setup.register(binary)?;
    seed::users(&setup.database, arguments.accounts).await?;
    let (running, ready) = launch(&setup, binary, layout).await?;
    println!("{:>10} {:>12} {:>10}", "operations", "µs each", "MB");
    println!("{:>10} {:>12} {:>10.1}", 0, "-", megabytes(running.pid()));
    let peer = Countersign::sqlite(binary, arguments.accounts);
    let target = Arc::new(peer.usual_target(&setup, running.pid()));
    let mut crowd = Crowd::gather(&target, arguments.scenario, arguments.users).await?;
    let mut done = 0;
    while done < arguments.operations {
        let step = arguments.step.min(arguments.operations - done);
        let window = closed(layout, Vec::new(), Duration::from_mins(10), step);
        crowd.refill().await?;
        let (row, fault) = crowd.run(&window).await;
        if let Some(fault) = fault {
            eprintln!("{} failed, the first with: {fault}", row.errors);
        }
        if row.operations == 0 {
            break;
        }
        done += row.operations;
        let resident = megabytes(running.pid());
        println!("{done:>10} {:>12.1} {resident:>10.1}", row.cpu);
    }
    drop(running);
    println!("ready after {:.0} ms before, and after it:", millis(ready));
    for _ in 0..arguments.starts {
        let (running, ready) = launch(&setup, binary, layout).await?;
        println!(
            "{:.0} ms, {:.1} MB",
            millis(ready),
            megabytes(running.pid())
        );
    }
    Ok(())
}

fn megabytes(pid: u32) -> f64 {
    rss_kib(&[pid]) as f64 / 1024.0
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
