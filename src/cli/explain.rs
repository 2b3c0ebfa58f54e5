//! `explain`: what happened to a request, from the log and the audit trail, by its trace id.

mod advice;
mod log;
mod report;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use self::{log::LogLine, report::Report};
use super::{CliError, Global, registrar};
use crate::{
    application::ports::Clock as _, config::parse_duration, domain::event::AuditEvent,
    infrastructure::clock::SystemClock,
};

/// Events of one request at most. A request writes a few.
const MOST_EVENTS: u64 = 200;

/// Tell what happened to a request, by the trace id of its error page or `x-request-id`
///
/// The audit trail knows what was done; refusals are in the log, which has to be given.
///
/// Example: journalctl -u countersign -o cat | countersign explain 4bf92f3577b34da6a3ce929d0e0e4736 --log -
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The trace id
    trace: String,
    /// A file of log lines, `-` for standard input; may be given several times
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// How far to look back in the audit trail
    #[arg(long, default_value = "7d", value_name = "DURATION", value_parser = since)]
    since: Duration,
}

fn since(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 90m, 8h or 14d".to_owned())
}

impl Explain {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        let trace = self.trace.trim();
        if !is_identifier(trace) {
            let message = "that is no trace id: it has up to 64 letters, digits, '-', '_' and '.'";
            return Err(CliError::usage(message));
        }
        let mut lines = Vec::new();
        for file in &self.log {
            read(file, trace, &mut lines)?;
        }
        let (events, note) = match self.events(global, trace).await {
            Ok(events) => (events, None),
            // On a machine that has nothing but the log, the log has to do.
            Err(error) if !lines.is_empty() => (Vec::new(), Some(error.message().to_owned())),
            Err(error) => return Err(error),
        };
        let report = Report::new(trace, lines, events, note);
        if report.is_empty() {
            let message = format!("nothing is known of {trace}");
            return Err(CliError::not_found(message).hint(
                "refusals are in the log alone: give it with --log FILE or --log -; \
                 --since looks further back in the audit trail",
            ));
        }
        global.output().print(&report.to_json(), report.to_text())
    }

    async fn events(&self, global: &Global, trace: &str) -> Result<Vec<AuditEvent>, CliError> {
        let (registrar, _) = registrar::open(global).await?;
        let since = SystemClock.now().minus(self.since);
        let reader = registrar.store.reader();
        Ok(reader.events_of_trace(trace, since, MOST_EVENTS).await?)
    }
}

/// As the server takes identifiers over from a request.
fn is_identifier(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn read(file: &Path, trace: &str, lines: &mut Vec<LogLine>) -> Result<(), CliError> {
    let failed =
        |error: io::Error| CliError::failed(format!("cannot read {}: {error}", file.display()));
    let mut input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(failed)?))
    };
    log::find(&mut input, trace, lines).map_err(failed)
}
