//! Rows as tables and a picture.

mod markdown;
mod svg;

use std::{collections::BTreeMap, path::Path};

pub(crate) use self::markdown::tables;
use crate::{error::BenchError, row::Row, scenario::Scenario};

/// Between these lines docs/performance.md is written by `compare --write-docs`.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// The middle of some numbers; not a number where there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied();
    match (values.len() % 2, at(middle), at(middle.wrapping_sub(1))) {
        (1, Some(value), _) => value,
        (_, Some(upper), Some(lower)) => f64::midpoint(lower, upper),
        _ => f64::NAN,
    }
}

/// The closed windows of a scenario with the first number of users, by peer.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    rows: Vec<Row>,
}

impl Cell {
    fn of(&self, value: impl Fn(&Row) -> f64) -> f64 {
        median(self.rows.iter().map(value))
    }

    fn cpu(&self) -> f64 {
        self.of(|row| row.cpu)
    }

    fn beside(&self) -> f64 {
        self.of(|row| row.beside)
    }

    fn errors(&self) -> u64 {
        self.rows.iter().map(|row| row.errors).sum()
    }

    /// How often more processor time `self` needs than `other`: median, least and most over the
    /// passes, each pair of which was measured one after the other.
    fn ratios(&self, other: &Self) -> Option<[f64; 3]> {
        let ratios: Vec<f64> = self
            .rows
            .iter()
            .filter_map(|row| {
                let twin = other.rows.iter().find(|other| other.pass == row.pass)?;
                Some(row.cpu / twin.cpu)
            })
            .filter(|ratio| ratio.is_finite())
            .collect();
        let least = ratios.iter().copied().reduce(f64::min)?;
        let most = ratios.iter().copied().reduce(f64::max)?;
        Some([median(ratios.into_iter()), least, most])
    }
}

/// All cells, and the peers in the order in which they were measured.
struct Grid {
    peers: Vec<String>,
    cells: BTreeMap<(Scenario, String), Cell>,
}

impl Grid {
    fn new(rows: &[Row]) -> Self {
        let mut grid = Self {
            peers: Vec::new(),
            cells: BTreeMap::new(),
        };
        let users = rows.iter().map(|row| row.users).next();
        let mut ordered: Vec<&Row> = rows.iter().collect();
        ordered.sort_by_key(|row| (row.pass, row.at));
        for row in ordered {
            if !grid.peers.contains(&row.peer) {
                grid.peers.push(row.peer.clone());
            }
            if row.load.is_none() && Some(row.users) == users {
                let key = (row.scenario, row.peer.clone());
                grid.cells.entry(key).or_default().rows.push(row.clone());
            }
        }
        grid.peers.sort_by_key(|peer| rank(peer));
        grid
    }

    fn cell(&self, scenario: Scenario, peer: &str) -> Option<&Cell> {
        self.cells.get(&(scenario, peer.to_owned()))
    }

    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        Scenario::all().filter(|scenario| self.cells.keys().any(|(it, _)| it == scenario))
    }
}

/// Countersign first, the others as they are listed on the command line.
fn rank(peer: &str) -> usize {
    [
        "Countersign, S",
        "Countersign, P",
        "node",
        "glewlwyd",
        "Keycloak",
    ]
    .iter()
    .position(|name| peer.starts_with(name))
    .unwrap_or(usize::MAX)
}

/// One scenario on the terminal, as soon as it is measured.
pub(crate) fn print(scenario: Scenario, rows: &[Row]) {
    let grid = Grid::new(rows);
    eprintln!("{}", scenario.title());
    for peer in &grid.peers {
        let Some(cell) = grid.cell(scenario, peer) else {
            continue;
        };
        eprintln!(
            "  {peer:<34} {:>9.1} µs + {:>7.1}   {:>8.0}/s   p50 {:>6.0}  p99 {:>7.0} µs   {:>6.1} MB   foreign {:>3.0} %  errors {}",
            cell.cpu(),
            cell.beside(),
            cell.of(Row::rate),
            cell.of(|row| row.p50 as f64),
            cell.of(|row| row.p99 as f64),
            cell.of(|row| row.rss_kib as f64 / 1024.0),
            cell.of(|row| row.foreign * 100.0),
            cell.errors(),
        );
    }
}

/// Puts tables and picture into the documentation.
pub(crate) fn write_docs(docs: &Path, rows: &[Row]) -> Result<(), BenchError> {
    let images = docs.join("images");
    std::fs::create_dir_all(&images)?;
    std::fs::write(images.join("performance.svg"), svg::plot(&Grid::new(rows)))?;
    write_between(&docs.join("performance.md"), (BEGIN, END), &tables(rows))
}

/// Replaces what stands between two lines of a file.
pub(crate) fn write_between(
    file: &Path,
    (begin, end): (&str, &str),
    content: &str,
) -> Result<(), BenchError> {
    let text = std::fs::read_to_string(file)?;
    let parts = text
        .split_once(begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.ok_or_else(|| {
        BenchError::Usage(format!("{} has no lines {begin} and {end}", file.display()))
    })?;
    Ok(std::fs::write(
        file,
        format!("{before}{begin}\n\n{}\n\n{end}{after}", content.trim_end()),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(peer: &str, pass: u32, cpu: f64) -> Row {
        Row {
            at: 0,
            peer: peer.to_owned(),
            scenario: Scenario::S2,
            pass,
            users: 16,
            load: None,
            seconds: 1.0,
            operations: 1000,
            errors: 0,
            verified: 1,
            cpu,
            beside: 0.0,
            p50: 100,
            p95: 200,
            p99: 300,
            rss_kib: 20480,
            generator: 0.5,
            steal: 0.0,
            foreign: 0.0,
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert!((median([9.0, 1.0, 5.0].into_iter()) - 5.0).abs() < 1e-9);
        assert!((median([9.0, 1.0].into_iter()) - 5.0).abs() < 1e-9);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn ratios_are_of_the_same_pass() {
        let cell = |rows: &[Row]| Cell {
            rows: rows.to_vec(),
        };
        let a = cell(&[row("a", 0, 10.0), row("a", 1, 20.0)]);
        let b = cell(&[row("b", 1, 100.0), row("b", 0, 20.0)]);
        assert_eq!(b.ratios(&a), Some([3.5, 2.0, 5.0]));
    }

    #[test]
    fn the_documentation_keeps_what_is_around_the_tables() {
        let docs = tempfile::tempdir().unwrap();
        let file = docs.path().join("performance.md");
        std::fs::write(&file, format!("before\n{BEGIN}old{END}\nafter\n")).unwrap();
        write_docs(docs.path(), &[row("Countersign, SQLite", 0, 42.0)]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with("\nafter\n"));
        assert!(text.contains("42") && !text.contains("old"), "{text}");
        assert!(docs.path().join("images/performance.svg").exists());
    }
}
