//! The tables of docs/performance.md.

use std::fmt::Write as _;

use super::{Cell, Grid, median};
use crate::{row::Row, scenario::Scenario};

/// All tables.
pub(crate) fn tables(rows: &[Row]) -> String {
    let grid = Grid::new(rows);
    [
        cost(&grid),
        ratios(&grid),
        rates(&grid),
        open(rows, &grid),
        conditions(rows),
    ]
    .join("\n")
}

/// A table whose first column is a scenario; `line` fills in the rest, or leaves the row out.
fn table(
    head: &[String],
    scenarios: impl Iterator<Item = Scenario>,
    line: impl Fn(Scenario) -> Vec<String>,
) -> String {
    let mut text = format!("| | {} |\n|---|", head.join(" | "));
    for _ in head {
        text.push_str("---|");
    }
    text.push('\n');
    for scenario in scenarios {
        let cells = line(scenario);
        if cells.iter().any(|cell| cell != "–") {
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {} | {} |", scenario.title(), cells.join(" | "));
        }
    }
    text
}

/// Microseconds with as many digits as they are worth.
fn micros(value: f64) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn cost(grid: &Grid) -> String {
    let mut head = vec!["floor".to_owned(), "target".to_owned()];
    head.extend(grid.peers.iter().cloned());
    let body = table(&head, grid.scenarios(), |scenario| {
        let known = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it}"));
        let mut cells = vec![known(scenario.floor()), known(scenario.target())];
        cells.extend(grid.peers.iter().enumerate().map(|(index, peer)| {
            let Some(cell) = grid.cell(scenario, peer) else {
                return "–".to_owned();
            };
            let beside = match cell.beside() {
                beside if beside >= 0.5 => format!(" + {}", micros(beside)),
                _ => String::new(),
            };
            let met = scenario.target().is_some_and(|target| cell.cpu() <= target);
            let mark = if met && index < 2 && peer.starts_with("Countersign") {
                " ✓"
            } else {
                ""
            };
            let wrong = if cell.errors() > 0 { " (errors)" } else { "" };
            format!("{}{beside}{mark}{wrong}", micros(cell.cpu()))
        }));
        cells
    });
    format!(
        "Processor time per successful operation, µs, all threads and processes, median of the passes; \
         after “+” that of PostgreSQL and Redis. ✓: within the target.\n\n{body}"
    )
}

fn ratios(grid: &Grid) -> String {
    let Some(first) = grid
        .peers
        .iter()
        .find(|peer| peer.starts_with("Countersign"))
    else {
        return String::new();
    };
    let others: Vec<&String> = grid.peers.iter().filter(|peer| *peer != first).collect();
    if others.is_empty() {
        return String::new();
    }
    let head: Vec<String> = others.iter().map(|peer| (*peer).clone()).collect();
    let body = table(&head, grid.scenarios(), |scenario| {
        let ratio = |peer: &&String| {
            let (own, other) = (grid.cell(scenario, first)?, grid.cell(scenario, peer)?);
            let [middle, least, most] = other.ratios(own)?;
            Some(format!("{middle:.1} ({least:.1}–{most:.1})"))
        };
        others
            .iter()
            .map(|peer| ratio(peer).unwrap_or_else(|| "–".to_owned()))
            .collect()
    });
    format!(
        "How often more processor time than {first}: median of the ratios of neighboring windows, with \
         least and most.\n\n{body}"
    )
}

fn rates(grid: &Grid) -> String {
    let body = table(&grid.peers, grid.scenarios(), |scenario| {
        let rate = |cell: &Cell| {
            format!(
                "{:.0}/s, {:.0} MB",
                cell.of(Row::rate),
                cell.of(|row| row.rss_kib as f64 / 1024.0)
            )
        };
        grid.peers
            .iter()
            .map(|peer| {
                grid.cell(scenario, peer)
                    .map_or_else(|| "–".to_owned(), rate)
            })
            .collect()
    });
    format!(
        "Operations in a second of the clock on one core, and resident memory at the end.\n\n{body}"
    )
}

fn open(rows: &[Row], grid: &Grid) -> String {
    let mut parts: Vec<f64> = rows.iter().filter_map(|row| row.load).collect();
    parts.sort_by(f64::total_cmp);
    parts.dedup();
    if parts.is_empty() {
        return String::new();
    }
    let mut text =
        "Latency in an open loop, from the moment at which an operation was due: p50 / p95 / \
                    p99 in ms, at parts of the peer's own capacity.\n\n"
            .to_owned();
    for part in parts {
        let body = table(&grid.peers, Scenario::all(), |scenario| {
            let cell = |peer: &String| {
                let own = || {
                    rows.iter().filter(|row| {
                        row.load == Some(part) && row.scenario == scenario && row.peer == *peer
                    })
                };
                own().next()?;
                let at = |value: fn(&Row) -> u64| median(own().map(|row| value(row) as f64)) / 1e3;
                Some(format!(
                    "{:.2} / {:.2} / {:.2}",
                    at(|row| row.p50),
                    at(|row| row.p95),
                    at(|row| row.p99)
                ))
            };
            grid.peers
                .iter()
                .map(|peer| cell(peer).unwrap_or_else(|| "–".to_owned()))
                .collect()
        });
        let _ = write!(text, "At {:.0} %:\n\n{body}\n", part * 100.0);
    }
    text
}

fn conditions(rows: &[Row]) -> String {
    let quiet = rows.iter().filter(|row| row.is_quiet()).count();
    let operations: u64 = rows.iter().map(|row| row.operations).sum();
    let errors: u64 = rows.iter().map(|row| row.errors).sum();
    let verified: u64 = rows.iter().map(|row| row.verified).sum();
    let users = rows.first().map_or(0, |row| row.users);
    format!(
        "{users} kept connections, {} windows, {quiet} of them quiet (hypervisor ≤ 1 % and other \
         processes ≤ 10 % of the server's core, generator ≤ 90 % of its own); {operations} operations, \
         {errors} errors, {verified} signatures verified.\n",
        rows.len()
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn a_table_marks_met_targets_and_names_ratios() {
        let rows = [
            row("Countersign, SQLite", 0, 50.0),
            row("node-oidc-provider, Redis", 0, 400.0),
        ];
        let text = tables(&rows);
        assert!(text.contains("| 30 | 62 | 50.0 ✓ | 400 |"), "{text}");
        assert!(text.contains("8.0 (8.0–8.0)"), "{text}");
    }
}
