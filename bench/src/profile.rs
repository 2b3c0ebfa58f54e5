//! `profile`: perf (cpu-clock) over one scenario at a time, with the symbols put into groups.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use crate::{
    cpu::Layout,
    error::BenchError,
    measure::{Crowd, closed},
    peers::{PeerName, Site},
    process::output,
    scenario::Scenario,
    stores::Stores,
};

const EXAMPLES: &str = "\
Needs perf (Debian: linux-perf) and a binary with symbols:
    CARGO_PROFILE_RELEASE_STRIP=none cargo build --release
    cargo run -p bench --release -- profile --scenario s2 --scenario s7a";

/// What `profile` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Profile {
    /// Scenarios [default: those of the token path]
    #[arg(long, value_name = "SCENARIO")]
    scenario: Vec<Scenario>,
    /// Which stages
    #[arg(long, value_name = "PEER", default_values = ["sqlite", "postgres"])]
    peer: Vec<PeerName>,
    /// The Countersign to look into
    #[arg(long, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// Seconds of load for each
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Symbols to print for each
    #[arg(long, default_value_t = 25)]
    symbols: usize,
    /// Virtual users
    #[arg(long, default_value_t = 16)]
    users: usize,
}

/// The token path.
const USUAL: [Scenario; 8] = [
    Scenario::Discovery,
    Scenario::S2,
    Scenario::S4,
    Scenario::S5a,
    Scenario::S7a,
    Scenario::S8Opaque,
    Scenario::S9Opaque,
    Scenario::S10,
];

/// Runs `profile`.
pub(crate) async fn run(arguments: &Profile) -> Result<(), BenchError> {
    let layout = Layout::of_machine()?;
    layout.pin_generator()?;
    let folder = tempfile::tempdir()?;
    let mut stores = Stores::new(folder.path());
    let scenarios = if arguments.scenario.is_empty() {
        USUAL.to_vec()
    } else {
        arguments.scenario.clone()
    };
    for name in &arguments.peer {
        let peer = name.peer(&arguments.binary, 1000);
        let own = folder.path().join(format!("{name:?}"));
        std::fs::create_dir_all(&own)?;
        let started = peer
            .start(Site {
                folder: own,
                stores: &mut stores,
                layout,
                others: Path::new("target/peers"),
                number: 0,
            })
            .await?;
        for scenario in &scenarios {
            let able = |target: &&crate::target::Target| target.scenarios.contains(scenario);
            let Some(target) = started.targets.iter().find(able) else {
                continue;
            };
            let mut crowd =
                Crowd::gather(&Arc::new(target.clone()), *scenario, arguments.users).await?;
            let beside = stores.pids(target.beside);
            let length = Duration::from_secs_f64(arguments.seconds.clamp(0.1, 600.0));
            let window = closed(layout, beside, length, u64::MAX);
            crowd.warm_up(&window, Duration::from_millis(500)).await;
            crowd.refill().await?;
            let data = folder.path().join("perf.data");
            let mut perf = record(target.pid, &data)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (row, _) = crowd.run(&window).await;
            perf.stop();
            let samples = read(&data)?;
            println!(
                "\n## {}, {}: {:.1} µs + {:.1}",
                row.peer,
                scenario.title(),
                row.cpu,
                row.beside
            );
            print(&samples, row.cpu, arguments.symbols);
        }
    }
    Ok(())
}

fn record(pid: u32, data: &Path) -> Result<crate::process::Running, BenchError> {
    let child = Command::new("perf")
        .args(["record", "-e", "cpu-clock", "-F", "1999", "-q", "-o"])
        .arg(data)
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| BenchError::Usage("perf is missing: apt-get install linux-perf".to_owned()))?;
    Ok(crate::process::Running::new("perf", child, data.to_owned()))
}

/// Samples by thread name and symbol.
fn read(data: &Path) -> Result<Vec<Sample>, BenchError> {
    let text = output(
        Command::new("perf")
            .args(["script", "-F", "comm,ip,sym,dso", "--demangle", "-i"])
            .arg(data),
    )?;
    Ok(text.lines().filter_map(Sample::parse).collect())
}

/// One sample.
#[derive(Debug, PartialEq, Eq)]
struct Sample {
    thread: String,
    symbol: String,
    is_kernel: bool,
    object: String,
}

impl Sample {
    /// A line such as `tokio-rt-worker   55d1 sha2::compress (/path/countersign)`.
    fn parse(line: &str) -> Option<Self> {
        let (rest, object) = line.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
        let mut words = rest.split_whitespace().peekable();
        let mut thread = words.next()?.to_owned();
        // A thread's name may hold blanks; the address is hexadecimal.
        while let Some(word) = words.peek() {
            if word.len() >= 6 && word.chars().all(|c| c.is_ascii_hexdigit()) {
                break;
            }
            thread.push(' ');
            thread.push_str(words.next()?);
        }
        words.next()?;
        let symbol: Vec<&str> = words.collect();
        Some(Self {
            thread,
            symbol: symbol.join(" "),
            is_kernel: object.contains("kernel"),
            object: object.rsplit('/').next().unwrap_or(object).to_owned(),
        })
    }

    /// What the symbol is for, in the order in which the questions are asked.
    fn group(&self) -> &'static str {
        /// Parts of symbols, by group.
        const GROUPS: [(&str, &[&str]); 9] = [
            ("logging", &["tracing", "telemetry"]),
            (
                "crypto",
                &[
                    "sha2", "sha256", "hmac", "chacha", "poly1305", "argon2", "josekit", "openssl",
                    "subtle", "rand::", "chacha20",
                ],
            ),
            (
                "SQL",
                &[
                    "sqlite3",
                    "sqlx",
                    "sea_orm",
                    "sea_query",
                    "libsqlite",
                    "infrastructure::sql",
                    "yy_reduce",
                ],
            ),
            (
                "state store",
                &[
                    "fjall",
                    "lsm_tree",
                    "value_log",
                    "redis",
                    "infrastructure::state",
                    "crossbeam_skiplist",
                ],
            ),
            (
                "allocation",
                &[
                    "malloc",
                    "free",
                    "realloc",
                    "calloc",
                    "__rust_alloc",
                    "__rdl_",
                    "cfree",
                    "drop_in_place",
                    "_int_",
                ],
            ),
            (
                "copying",
                &["memmove", "memcpy", "memset", "memcmp", "memchr"],
            ),
            ("JSON", &["serde_json", "serde::", "serde_core"]),
            (
                "HTTP",
                &[
                    "hyper",
                    "axum",
                    "tower",
                    "httparse",
                    "http::",
                    "form_urlencoded",
                    "matchit",
                    "countersign::web",
                ],
            ),
            (
                "runtime",
                &[
                    "tokio",
                    "mio::",
                    "futures",
                    "parking_lot",
                    "pthread",
                    "std::sys",
                    "flume",
                    "async_lock",
                    "event_listener",
                ],
            ),
        ];
        if self.is_kernel {
            return "kernel";
        }
        if self.object.starts_with("libcrypto") {
            return "crypto";
        }
        let symbol = self.symbol.to_ascii_lowercase();
        GROUPS
            .iter()
            .find(|(_, parts)| parts.iter().any(|part| symbol.contains(part)))
            .map_or("other", |(group, _)| group)
    }
}

fn print(samples: &[Sample], cpu: f64, symbols: usize) {
    let total = (samples.len() as f64).max(1.0);
    let by = |key: &dyn Fn(&Sample) -> String, most: usize| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for sample in samples {
            *counts.entry(key(sample)).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (name, count) in counts.into_iter().take(most) {
            let share = count as f64 / total;
            println!("{:>6.1} % {:>8.1} µs  {name}", share * 100.0, share * cpu);
        }
        println!();
    };
    println!("{} samples; by group:", samples.len());
    by(&|sample| sample.group().to_owned(), 20);
    println!("by thread:");
    by(&|sample| sample.thread.clone(), 10);
    println!("by symbol:");
    by(
        &|sample| format!("[{}] {}", sample.group(), sample.symbol),
        symbols,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_perf_is_thread_symbol_and_object() {
        let line = " tokio-rt-worker   55d14a2b1c sha2::sha256::compress (/usr/bin/countersign)";
        let sample = Sample::parse(line).unwrap();
        assert_eq!(sample.thread, "tokio-rt-worker");
        assert_eq!(sample.symbol, "sha2::sha256::compress");
        assert_eq!(sample.group(), "crypto");
        let kernel = Sample::parse("a b  ffffffff81 futex_wake ([kernel.kallsyms])").unwrap();
        assert_eq!((kernel.thread.as_str(), kernel.group()), ("a b", "kernel"));
    }
}
