//! `import`: users, roles, groups and applications from JSON Lines or from a Keycloak realm.

mod keycloak;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{CliError, Global, registrar};
use crate::application::{
    commands::import_records::{Import as Intake, Intent, Outcome},
    records::Record,
};

const EXAMPLES: &str = "\
Examples:
  Try everything and change nothing:
    countersign import people.jsonl --dry-run
  Import, and keep what was refused, with the reasons:
    countersign import people.jsonl --refused refused.jsonl
  From Keycloak (kc.sh export --realm shop --file shop.json):
    countersign import shop.json --format keycloak

A line is one JSON object: {\"type\":\"role\",\"name\":\"editor\",\"permissions\":[{\"name\":\"document:write\"}]},
{\"type\":\"group\",\"name\":\"staff\",\"roles\":[\"editor\"]}, or {\"type\":\"user\",\"username\":\"alice\",
\"email\":\"alice@example.com\",\"email_verified\":true,\"profile\":{\"given_name\":\"Alice\"},
\"password_hash\":\"$2b$12$…\",\"roles\":[\"editor\"],\"groups\":[\"staff\"]}. Hashes may be argon2id, bcrypt, PBKDF2
or scrypt; each is replaced at the next login. Applications (\"type\":\"client\") and APIs (\"type\":\"resource\")
are lines as `export` writes them. docs/import.md says more.";

/// Lines in one transaction.
const BATCH: usize = 500;
/// Bytes of a line at most.
const MOST_LINE: u64 = 256 * 1024;

/// Take in users, roles, groups, APIs and applications
///
/// What exists already, by its name, is left as it is, so that an import can simply be run again after it was
/// interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// The file; - for standard input
    file: PathBuf,
    /// What the file is
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Try everything and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin at this line
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Write the lines that were refused to this file, each with its reason
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// A realm as `kc.sh export` writes it
    Keycloak,
}

pub(super) async fn run(global: &Global, import: Import) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    let intent = if import.dry_run {
        Intent::DryRun
    } else {
        Intent::Import
    };
    let mut intake = Intake::new(&registrar, intent);
    let mut tally = Tally::new(&import)?;
    match import.format {
        Format::Jsonl => lines(&import, &mut intake, &mut tally).await?,
        Format::Keycloak => {
            let realm = keycloak::read(&text_of(&import.file)?)?;
            for note in &realm.notes {
                tally.bar.suspend(|| eprintln!("note: {note}"));
            }
            let mut batch = Batch::default();
            for (at, record) in (1..).zip(realm.records) {
                if at >= import.from {
                    batch.add(at, json!(record).to_string(), record);
                }
                if batch.is_full() {
                    batch.take_in(&mut intake, &mut tally).await?;
                }
            }
            batch.take_in(&mut intake, &mut tally).await?;
        }
    }
    tally.finish(global, intent)
}

/// Reads line by line; the file need not fit into memory.
async fn lines(
    import: &Import,
    intake: &mut Intake<'_>,
    tally: &mut Tally,
) -> Result<(), CliError> {
    let mut reader = open(&import.file)?;
    let mut batch = Batch::default();
    for at in 1.. {
        let mut line = Vec::new();
        let read = reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|error| unreadable(&import.file, &error))?;
        if read == 0 {
            break;
        }
        if read as u64 == MOST_LINE && !line.ends_with(b"\n") {
            let problem = format!("line {at} is longer than {MOST_LINE} bytes");
            return Err(CliError::usage(problem).hint("is this a file of JSON Lines?"));
        }
        tally.bar.inc(read as u64);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if at < import.from || text.is_empty() {
            continue;
        }
        match serde_json::from_str::<Record>(text) {
            Ok(record) => batch.add(at, text.to_owned(), record),
            Err(error) => tally.refuse(at, text, &error.to_string())?,
        }
        if batch.is_full() {
            batch.take_in(intake, tally).await?;
        }
    }
    batch.take_in(intake, tally).await
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn text_of(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = open(file)?.read_to_string(&mut text);
    read.map_err(|error| unreadable(file, &error))?;
    Ok(text)
}

fn unreadable(file: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("cannot read {}: {error}", file.display()))
}

/// Lines that are taken in together.
#[derive(Default)]
struct Batch {
    places: Vec<(u64, String)>,
    records: Vec<Record>,
}

impl Batch {
    fn add(&mut self, at: u64, text: String, record: Record) {
        self.places.push((at, text));
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= BATCH
    }

    async fn take_in(
        &mut self,
        intake: &mut Intake<'_>,
        tally: &mut Tally,
    ) -> Result<(), CliError> {
        if self.records.is_empty() {
            return Ok(());
        }
        let outcomes = intake.take_in(&self.records).await;
        let outcomes = outcomes.map_err(|error| {
            let first = self.places.first().map_or(1, |(at, _)| *at);
            CliError::from(error).hint(format!("go on with: --from {first}"))
        })?;
        let lines = self.places.drain(..).zip(self.records.drain(..));
        for (((at, text), record), outcome) in lines.zip(outcomes) {
            match outcome {
                Outcome::Made => tally.made(record.kind()),
                Outcome::Present => tally.present += 1,
                Outcome::Refused(error) => tally.refuse(at, &text, &error.to_string())?,
            }
        }
        Ok(())
    }
}

/// What came of everything so far.
struct Tally {
    users: u64,
    roles: u64,
    groups: u64,
    clients: u64,
    resources: u64,
    present: u64,
    refused: u64,
    /// Where refused lines go.
    report: Option<File>,
    bar: ProgressBar,
}

impl Tally {
    fn new(import: &Import) -> Result<Self, CliError> {
        let report = import.refused.as_ref().map(File::create).transpose();
        let report = report
            .map_err(|error| CliError::failed(format!("cannot write what is refused: {error}")))?;
        Ok(Self {
            users: 0,
            roles: 0,
            groups: 0,
            clients: 0,
            resources: 0,
            present: 0,
            refused: 0,
            report,
            bar: bar(&import.file),
        })
    }

    fn made(&mut self, kind: &str) {
        match kind {
            "user" => self.users += 1,
            "role" => self.roles += 1,
            "client" => self.clients += 1,
            "resource" => self.resources += 1,
            _ => self.groups += 1,
        }
        let (users, refused) = (self.users, self.refused);
        self.bar
            .set_message(format!("{users} users, {refused} refused"));
    }

    /// Says which line was refused and why; a secret in it goes to the file only.
    fn refuse(&mut self, at: u64, text: &str, reason: &str) -> Result<(), CliError> {
        self.refused += 1;
        self.bar.suspend(|| eprintln!("line {at}: {reason}"));
        if let Some(report) = &mut self.report {
            let line = json!({ "line": at, "reason": reason, "record": text });
            writeln!(report, "{line}").map_err(|error| {
                CliError::failed(format!("cannot write what is refused: {error}"))
            })?;
        }
        Ok(())
    }

    fn finish(self, global: &Global, intent: Intent) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        let json = json!({
            "dry_run": intent == Intent::DryRun,
            "users": self.users,
            "roles": self.roles,
            "groups": self.groups,
            "clients": self.clients,
            "resources": self.resources,
            "present": self.present,
            "refused": self.refused,
        });
        let would = match intent {
            Intent::Import => "imported",
            Intent::DryRun => "would be imported",
        };
        let text = format!(
            "{} users, {} roles, {} groups, {} applications and {} APIs {would}; {} were there already; {} lines refused",
            self.users,
            self.roles,
            self.groups,
            self.clients,
            self.resources,
            self.present,
            self.refused
        );
        global.output().print(&json, text)?;
        if self.refused > 0 {
            let message = format!("{} lines were refused", self.refused);
            return Err(CliError::failed(message)
                .hint("mend them and run it again: what is there already is left as it is"));
        }
        Ok(())
    }
}

/// A bar by bytes on a terminal, nothing elsewhere.
fn bar(file: &Path) -> ProgressBar {
    let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    if !io::stderr().is_terminal() || size == 0 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
