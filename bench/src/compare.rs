//! `compare`: all peers, scenario by scenario, in mirrored passes: A B C, C B A, …

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tempfile::TempDir;

use crate::{
    clock,
    cpu::Layout,
    error::BenchError,
    load::{Bounds, Pace},
    measure::{Crowd, MAX_ERRORS, Window, closed},
    peers::{PeerName, Site, Started},
    report,
    row::{Row, Rows},
    scenario::Scenario,
    stores::Stores,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  Everything, into docs/performance.md and its picture (about 12 minutes):
    cargo run -p bench --release -- compare --write-docs
  Two builds of Countersign, refresh and userinfo only:
    cargo run -p bench --release -- compare --peer sqlite --binary target/release/countersign \\
        --against old/countersign --scenario s7a --scenario s9-opaque
  Percentiles at half and at four fifths of the capacity:
    cargo run -p bench --release -- compare --peer sqlite --scenario s2 --open 0.5 --open 0.8";

/// What `compare` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compare {
    /// Whom to measure; may be repeated [default: all]
    #[arg(long, value_name = "PEER")]
    peer: Vec<PeerName>,
    /// What to measure; may be repeated [default: all]
    #[arg(long, value_name = "SCENARIO")]
    scenario: Vec<Scenario>,
    /// The Countersign to measure
    #[arg(long, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// A second Countersign, measured in turns with the first
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// Pairs of passes over all peers, one forward and one backward
    #[arg(long, default_value_t = 2)]
    pairs: u32,
    /// Length of a window
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
    /// Virtual users, each with a kept connection; may be repeated. The tables show the first
    #[arg(long, value_name = "USERS", default_values_t = [16])]
    concurrency: Vec<usize>,
    /// Also an open loop at this part of the capacity, for percentiles; may be repeated
    #[arg(long, value_name = "PART")]
    open: Vec<f64>,
    /// Accounts that Countersign knows
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// Operations of one window at most
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Where rows go, one line of JSON each
    #[arg(long, default_value = "target/bench/rows.jsonl")]
    rows: PathBuf,
    /// Write the tables and the picture into docs/
    #[arg(long)]
    write_docs: bool,
}

/// Everything that runs while measuring; it ends when this is dropped. Providers go before their
/// databases, and the folder goes last.
struct Field {
    started: Vec<Started>,
    stores: Stores,
    _folder: TempDir,
}

/// Runs `compare`.
pub(crate) async fn run(arguments: &Compare) -> Result<(), BenchError> {
    let layout = Layout::of_machine()?;
    layout.pin_generator()?;
    let began = clock::now();
    let field = Field::set_up(arguments, layout).await?;
    eprintln!(
        "peers are ready after {:.0} s",
        began.elapsed().as_secs_f64()
    );
    let mut file = Rows::append(&arguments.rows)?;
    let mut rows = Vec::new();
    for scenario in arguments.scenarios() {
        let measured = field.scenario(arguments, scenario, layout).await?;
        for row in &measured {
            file.add(row)?;
        }
        report::print(scenario, &measured);
        rows.extend(measured);
    }
    let spent = began.elapsed();
    println!("{}", report::tables(&rows));
    eprintln!(
        "{} rows in {} after {:.0} s",
        rows.len(),
        arguments.rows.display(),
        spent.as_secs_f64()
    );
    if arguments.write_docs {
        report::write_docs(Path::new("docs"), &rows)?;
    }
    Ok(())
}

impl Compare {
    fn scenarios(&self) -> Vec<Scenario> {
        if self.scenario.is_empty() {
            return Scenario::all().collect();
        }
        let wanted: BTreeSet<_> = self.scenario.iter().copied().collect();
        wanted.into_iter().collect()
    }

    fn peers(&self) -> Vec<PeerName> {
        if self.peer.is_empty() {
            PeerName::all()
        } else {
            self.peer.clone()
        }
    }

    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0))
    }
}

impl Field {
    async fn set_up(arguments: &Compare, layout: Layout) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let mut stores = Stores::new(folder.path());
        let mut started = Vec::new();
        let others = PathBuf::from("target/peers");
        for name in arguments.peers() {
            let binaries = match &arguments.against {
                Some(against) if name.is_countersign() => vec![&arguments.binary, against],
                _ => vec![&arguments.binary],
            };
            for (number, binary) in binaries.into_iter().enumerate() {
                let peer = name.peer(binary, arguments.accounts);
                eprintln!("starting {}", peer.name());
                let own = folder.path().join(format!("{name:?}-{number}"));
                std::fs::create_dir_all(&own)?;
                let site = Site {
                    folder: own,
                    stores: &mut stores,
                    layout,
                    others: &others,
                    number,
                };
                let mut ready = peer.start(site).await?;
                if number > 0 {
                    for target in &mut ready.targets {
                        target.peer.push_str(" (against)");
                    }
                }
                started.push(ready);
            }
        }
        Ok(Self {
            started,
            stores,
            _folder: folder,
        })
    }

    /// Every peer's target for this scenario.
    fn targets(&self, scenario: Scenario) -> Vec<Arc<Target>> {
        let of_peer = |started: &Started| {
            let able = |target: &&Target| target.scenarios.contains(&scenario);
            started.targets.iter().find(able).cloned().map(Arc::new)
        };
        self.started.iter().filter_map(of_peer).collect()
    }

    async fn scenario(
        &self,
        arguments: &Compare,
        scenario: Scenario,
        layout: Layout,
    ) -> Result<Vec<Row>, BenchError> {
        let mut rows = Vec::new();
        for count in &arguments.concurrency {
            let mut crowds = Vec::new();
            for target in self.targets(scenario) {
                crowds.push(
                    self.ready(arguments, &target, (scenario, *count), layout)
                        .await?,
                );
            }
            for pass in 0..arguments.pairs * 2 {
                let mut order: Vec<&mut Crowd> = crowds.iter_mut().collect();
                if pass % 2 == 1 {
                    order.reverse();
                }
                for crowd in order {
                    crowd.refill().await?;
                    let window = self.window(arguments, crowd, layout).in_pass(pass);
                    rows.push(run_checked(crowd, &window).await?);
                }
            }
            for part in &arguments.open {
                for crowd in &mut crowds {
                    crowd.refill().await?;
                    let rate = capacity(&rows, &crowd.target().peer, *count) * part;
                    let window = self.window(arguments, crowd, layout).open(*part, rate);
                    rows.push(run_checked(crowd, &window).await?);
                }
            }
        }
        Ok(rows)
    }

    /// Virtual users at a provider that is warm.
    async fn ready(
        &self,
        arguments: &Compare,
        target: &Arc<Target>,
        (scenario, count): (Scenario, usize),
        layout: Layout,
    ) -> Result<Crowd, BenchError> {
        /// A warm-up window.
        const SHORT: Duration = Duration::from_millis(400);
        let mut crowd = Crowd::gather(target, scenario, count).await?;
        let beside = self.stores.pids(target.beside);
        let window = closed(layout, beside, SHORT, arguments.operations);
        crowd.warm_up(&window, target.warmup).await;
        Ok(crowd)
    }

    fn window(&self, arguments: &Compare, crowd: &Crowd, layout: Layout) -> Window {
        let beside = self.stores.pids(crowd.target().beside);
        closed(layout, beside, arguments.length(), arguments.operations)
    }
}

impl Window {
    fn in_pass(self, pass: u32) -> Self {
        Self { pass, ..self }
    }

    /// At a fixed rate. Without a capacity, ten operations a second.
    fn open(self, part: f64, rate: f64) -> Self {
        let rate = rate.max(10.0);
        Self {
            pace: Pace::Open(rate),
            load: Some(part),
            bounds: Bounds {
                // Percentiles want more than a glance.
                length: self.bounds.length.mul_f64(2.0),
                ..self.bounds
            },
            ..self
        }
    }
}

/// A window that succeeded; errors are the provider's or the bench's, and either way no measurement.
async fn run_checked(crowd: &mut Crowd, window: &Window) -> Result<Row, BenchError> {
    let (row, fault) = crowd.run(window).await;
    let all = (row.operations + row.errors).max(1);
    if let Some(fault) = fault
        && row.errors as f64 / all as f64 > MAX_ERRORS
    {
        eprintln!(
            "{}, {}: {} of {all} failed, the first with: {fault}",
            row.peer,
            row.scenario.title(),
            row.errors
        );
    }
    Ok(row)
}

/// Operations in a second of the closed loop: the median over passes.
fn capacity(rows: &[Row], peer: &str, users: usize) -> f64 {
    let own = rows
        .iter()
        .filter(|row| row.peer == peer && row.users == users && row.load.is_none());
    report::median(own.map(Row::rate))
}

/// Rows of earlier runs as tables.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Files of rows
    #[arg(default_value = "target/bench/rows.jsonl")]
    rows: Vec<PathBuf>,
    /// Write the tables and the picture into docs/
    #[arg(long)]
    write_docs: bool,
}

/// Runs `report`.
pub(crate) fn report(arguments: &Report) -> Result<(), BenchError> {
    let mut newest: BTreeMap<_, Row> = BTreeMap::new();
    for file in &arguments.rows {
        for row in Rows::read(file)? {
            let load = row.load.map(f64::to_bits);
            let key = (row.peer.clone(), row.scenario, row.pass, row.users, load);
            newest.insert(key, row);
        }
    }
    let rows: Vec<Row> = newest.into_values().collect();
    println!("{}", report::tables(&rows));
    if arguments.write_docs {
        report::write_docs(Path::new("docs"), &rows)?;
    }
    Ok(())
}
