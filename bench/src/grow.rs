//! `grow`: what an operation costs with few and with many users, grants and events in the database, and
//! live tokens in the state store. Rows are made by SQL alone, so that a million takes a minute.

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cpu::Layout,
    error::BenchError,
    measure::{Crowd, closed},
    peers::{Site, countersign::Countersign},
    process::Running,
    report::{median, write_between},
    row::Row,
    scenario::Scenario,
    seed,
    stores::Stores,
    target::Target,
};

const BEGIN: &str = "<!-- growth:begin -->";
const END: &str = "<!-- growth:end -->";
/// Live tokens at most: more would be the state store's disk and not its index.
const TOKENS: u64 = 100_000;

/// What `grow` takes.
#[derive(Debug, Args)]
pub(crate) struct Grow {
    /// Users, grants and events in the database; may be repeated
    #[arg(long = "size", value_name = "ROWS", default_values_t = [1_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// On what it stands
    #[arg(long, value_name = "STAGE", default_value = "sqlite")]
    stage: Stage,
    /// What to measure; may be repeated
    #[arg(long, value_name = "SCENARIO", default_values = ["s2", "s4", "s5a", "s7a", "s8-opaque", "s9-opaque", "s10", "s6-h1", "a1", "a2", "a3"])]
    scenario: Vec<Scenario>,
    /// The Countersign to measure
    #[arg(long, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// Pairs of passes over all sizes, one forward and one backward
    #[arg(long, default_value_t = 3)]
    pairs: u32,
    /// Length of a window
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Virtual users, spread over all accounts
    #[arg(long, default_value_t = 16)]
    users: usize,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write_docs: bool,
}

/// The stages that `grow` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    Sqlite,
    Postgres,
}

/// A provider with so many rows.
struct Grown {
    size: usize,
    target: Arc<Target>,
    _running: Running,
}

/// Runs `grow`.
pub(crate) async fn run(arguments: &Grow) -> Result<(), BenchError> {
    let layout = Layout::of_machine()?;
    layout.pin_generator()?;
    let folder = tempfile::tempdir()?;
    let mut stores = Stores::new(folder.path());
    let mut providers = Vec::new();
    for (number, size) in arguments.sizes.iter().enumerate() {
        eprintln!("making {size} users, grants and events");
        let site = Site {
            folder: folder.path().join(size.to_string()),
            stores: &mut stores,
            layout,
            others: "target/peers".as_ref(),
            number,
        };
        providers.push(arguments.grown(site, *size).await?);
    }
    let mut lines = Vec::new();
    for scenario in &arguments.scenario {
        let rows = arguments
            .measure(&providers, *scenario, layout, &stores)
            .await?;
        let line = Line::of(*scenario, &arguments.sizes, &rows);
        eprintln!("{}", line.markdown());
        lines.push(line);
    }
    let table = table(&arguments.sizes, &lines);
    println!("{table}");
    if arguments.write_docs {
        write_between("docs/performance.md".as_ref(), (BEGIN, END), &table)?;
    }
    Ok(())
}

impl Grow {
    /// Starts a provider, lets one sign-in make the rows that are copied, and issues live tokens.
    async fn grown(&self, mut site: Site<'_>, rows: usize) -> Result<Grown, BenchError> {
        let peer = match self.stage {
            Stage::Sqlite => Countersign::sqlite(&self.binary, rows),
            Stage::Postgres => Countersign::postgres(&self.binary, rows),
        };
        let layout = site.layout;
        let (running, target, database) = peer.launch_usual(&mut site).await?;
        let target = Arc::new(target);
        drop(Crowd::gather(&target, Scenario::S5a, 1).await?);
        seed::grants_and_events(&database, rows).await?;
        let mut issuing = Crowd::gather(&target, Scenario::S4, self.users).await?;
        let tokens = TOKENS.min(rows as u64);
        let window = closed(layout, Vec::new(), Duration::from_mins(5), tokens);
        issuing.run(&window).await;
        Ok(Grown {
            size: rows,
            target,
            _running: running,
        })
    }

    /// Windows of all sizes, forward and backward.
    async fn measure(
        &self,
        providers: &[Grown],
        scenario: Scenario,
        layout: Layout,
        stores: &Stores,
    ) -> Result<Vec<(usize, Row)>, BenchError> {
        /// Long enough for every copy and every connection.
        const WARM: Duration = Duration::from_millis(400);
        let window =
            |target: &Target, length| closed(layout, stores.pids(target.beside), length, u64::MAX);
        let mut crowds = Vec::new();
        for provider in providers {
            let mut crowd = Crowd::gather(&provider.target, scenario, self.users).await?;
            crowd.run(&window(&provider.target, WARM)).await;
            crowds.push((provider, crowd));
        }
        let length = Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0));
        let mut rows = Vec::new();
        for pass in 0..self.pairs * 2 {
            let mut order: Vec<_> = crowds.iter_mut().collect();
            if pass % 2 == 1 {
                order.reverse();
            }
            for (provider, crowd) in order {
                crowd.refill().await?;
                let (row, fault) = crowd.run(&window(&provider.target, length)).await;
                if let Some(fault) = fault {
                    eprintln!("{}, {}: {fault}", provider.size, scenario.title());
                }
                rows.push((provider.size, row));
            }
        }
        Ok(rows)
    }
}

/// One scenario at all sizes.
struct Line {
    scenario: Scenario,
    cpu: Vec<f64>,
}

impl Line {
    fn of(scenario: Scenario, sizes: &[usize], rows: &[(usize, Row)]) -> Self {
        let cpu = sizes.iter().map(|size| {
            let own = rows.iter().filter(|(of, _)| of == size);
            median(own.map(|(_, row)| row.cpu + row.beside))
        });
        Self {
            scenario,
            cpu: cpu.collect(),
        }
    }

    fn markdown(&self) -> String {
        let mut line = format!("| {} |", self.scenario.title());
        for cpu in &self.cpu {
            // Writing to a string does not fail.
            let _ = write!(line, " {cpu:.1} |");
        }
        let (least, most) = (self.cpu.first(), self.cpu.last());
        let ratio = least
            .zip(most)
            .map_or(f64::NAN, |(least, most)| most / least);
        let _ = write!(line, " {ratio:.2} |");
        line
    }
}

fn table(sizes: &[usize], lines: &[Line]) -> String {
    let mut text = "| rows of users, of grants, of events |".to_owned();
    for size in sizes {
        let _ = write!(text, " {size} |");
    }
    text.push_str(" last ÷ first |\n|---|");
    text.push_str(&"---|".repeat(sizes.len() + 1));
    text.push('\n');
    for line in lines {
        text.push_str(&line.markdown());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_the_largest_costs_more() {
        let line = Line {
            scenario: Scenario::S2,
            cpu: vec![50.0, 52.0, 55.0],
        };
        let text = table(&[10, 100, 1000], &[line]);
        assert!(text.contains("| 50.0 | 52.0 | 55.0 | 1.10 |"), "{text}");
        assert!(text.starts_with("| rows of users, of grants, of events | 10 | 100 | 1000 | last"));
    }
}
