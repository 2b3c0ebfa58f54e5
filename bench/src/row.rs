//! What one window showed: a line of JSON.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{error::BenchError, scenario::Scenario};

/// One window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// Whose window.
    pub(crate) peer: String,
    /// Of what.
    pub(crate) scenario: Scenario,
    /// Which pass over all peers, from nought; odd ones go backwards.
    pub(crate) pass: u32,
    /// Virtual users.
    pub(crate) users: usize,
    /// Part of the capacity that was asked for in an open loop; absent in a closed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<f64>,
    /// Seconds.
    pub(crate) seconds: f64,
    /// Operations that succeeded.
    pub(crate) operations: u64,
    /// Operations that failed.
    pub(crate) errors: u64,
    /// Signatures that were verified.
    pub(crate) verified: u64,
    /// Microseconds of processor time of the provider, per operation.
    pub(crate) cpu: f64,
    /// The same of the database and Redis beside it.
    pub(crate) beside: f64,
    /// Latency in microseconds.
    pub(crate) p50: u64,
    /// Latency in microseconds.
    pub(crate) p95: u64,
    /// Latency in microseconds.
    pub(crate) p99: u64,
    /// Resident memory of the provider at the end, KiB.
    pub(crate) rss_kib: u64,
    /// Part of the window that the generator computed.
    pub(crate) generator: f64,
    /// Part of the server's processor that the hypervisor took.
    pub(crate) steal: f64,
    /// Part of the server's processor that other processes had.
    pub(crate) foreign: f64,
}

impl Row {
    /// Whether the machine was quiet enough for this window to count as evidence of latency. Processor
    /// time per operation stands either way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.steal <= 0.01 && self.foreign <= 0.10 && self.generator <= 0.90
    }

    /// Operations in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds.max(1e-9)
    }
}

/// A file of rows that grows.
pub(crate) struct Rows(File);

impl Rows {
    /// Opens it, and makes its folder.
    pub(crate) fn append(path: &Path) -> Result<Self, BenchError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: &Row) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        Ok(self.0.write_all(&line)?)
    }

    /// Reads a file of rows.
    pub(crate) fn read(path: &Path) -> Result<Vec<Row>, BenchError> {
        let mut rows = Vec::new();
        for line in BufReader::new(File::open(path)?).lines() {
            let line = line?;
            if !line.trim().is_empty() {
                rows.push(serde_json::from_str(&line)?);
            }
        }
        Ok(rows)
    }
}
