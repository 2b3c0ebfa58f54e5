//! `outbox`: mail and other messages that wait to be delivered, and what was given up.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, Global, output::printable, registrar};
use crate::{
    application::{
        commands::retry_outbox::{retry_all, retry_message},
        ports::{OutboxFilter, Page},
        queries::outbox::{WaitingMessage, outbox},
        registrar::Registrar,
    },
    domain::time::Timestamp,
};

/// Messages read at once.
const PAGE: u64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum OutboxVerb {
    /// List what waits to be delivered and what was given up
    ///
    /// What a message says is not shown. Example: countersign outbox list --dead
    List {
        /// Only what was given up
        #[arg(long)]
        dead: bool,
    },
    /// Try again what was given up
    ///
    /// A running server sends it within a second or two. Example: countersign outbox retry --all
    Retry {
        /// The identifiers that `outbox list` shows
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Vec<String>,
        /// Everything that was given up
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn run(global: &Global, verb: OutboxVerb) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    match verb {
        OutboxVerb::List { dead } => {
            let filter = if dead {
                OutboxFilter::Dead
            } else {
                OutboxFilter::All
            };
            list(global, &registrar, filter).await
        }
        OutboxVerb::Retry { id, all } => {
            let mut revived = 0;
            for id in &id {
                retry_message(&registrar, id).await?;
                revived += 1;
            }
            if all {
                revived = retry_all(&registrar).await?;
            }
            let text = format!("{revived} to be tried again");
            global.output().print(&json!({ "retried": revived }), text)
        }
    }
}

async fn list(
    global: &Global,
    registrar: &Registrar,
    filter: OutboxFilter,
) -> Result<(), CliError> {
    let mut messages = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE };
        let more = outbox(&*registrar.store, filter, &page).await?;
        let Some(last) = more.last() else { break };
        after = Some(last.id.clone());
        messages.extend(more);
    }
    let json: Vec<Value> = messages.iter().map(to_json).collect();
    let lines: Vec<String> = messages.iter().map(to_line).collect();
    let text = if lines.is_empty() {
        "nothing waits".to_owned()
    } else {
        lines.join("\n")
    };
    global.output().print(&json.into(), text)
}

fn to_line(message: &WaitingMessage) -> String {
    let state = match (message.dead_at, message.attempts) {
        (Some(_), _) => "given up",
        (None, 0) => "waiting",
        (None, _) => "retrying",
    };
    format!(
        "{} {:8} {:2} attempts  {} {}  {}",
        message.id,
        state,
        message.attempts,
        message.template.as_deref().unwrap_or(message.kind.as_str()),
        message.to.as_deref().unwrap_or_default(),
        printable(message.error.as_deref().unwrap_or_default()),
    )
}

fn to_json(message: &WaitingMessage) -> Value {
    let seconds = |at: Option<Timestamp>| at.map(|at| at.0);
    json!({
        "id": message.id,
        "kind": message.kind,
        "template": message.template,
        "to": message.to,
        "written_at": seconds(message.written_at),
        "attempts": message.attempts,
        "due_at": seconds(message.due_at),
        "dead_at": seconds(message.dead_at),
        "error": message.error,
    })
}
