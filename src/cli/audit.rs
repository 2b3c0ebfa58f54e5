//! `audit`: what happened.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, Global, output, registrar, serve::stop_on_signals};
use crate::{
    application::{
        ports::{Order, Store},
        queries::audit::{AuditFilter, audit},
    },
    config::parse_duration,
    domain::{
        event::{AuditEvent, EventKind, reference},
        id::{ClientId, UserId},
        time::Timestamp,
        user::canonical_login_name,
    },
};

/// Events read at once.
const PAGE: u64 = 500;
/// Between two looks of `follow`.
const PAUSE: Duration = Duration::from_millis(500);
/// How far back `follow` looks for what was committed late.
const LATE: Duration = Duration::from_secs(15);
/// Events that `follow` remembers to have shown.
const SHOWN: usize = 20_000;

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// List what happened, the newest last
    ///
    /// Example: countersign audit list --kind login.failed --since 24h
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// The latest events, at most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
    },
    /// Print everything as JSON Lines, the oldest first, however much it is
    ///
    /// Example: countersign audit export --since 2026-11-01 > november.jsonl
    Export {
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Print what happens from now on, until Ctrl-C
    ///
    /// With --output json one object a line. Example: countersign audit follow --user alice
    Follow {
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Print the reference of all kinds of events (docs/events.md)
    Reference,
}

/// Which events are wanted.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Of this kind, such as login.failed; may be repeated
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Vec<EventKind>,
    /// About this user: username, email address or identifier
    #[arg(long)]
    user: Option<String>,
    /// About this client
    #[arg(long)]
    client: Option<String>,
    /// Of the request with this trace id, which error pages and the log show too
    #[arg(long)]
    trace: Option<String>,
    /// From then on: a time such as 2026-11-25T10:00:00Z, a date, or how long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

fn parse_kind(text: &str) -> Result<EventKind, String> {
    text.parse()
        .map_err(|_| "no such kind; see countersign audit reference".to_owned())
}

pub(super) async fn run(global: &Global, verb: AuditVerb) -> Result<(), CliError> {
    if matches!(verb, AuditVerb::Reference) {
        let reference = reference();
        let json = json!({ "reference": reference });
        return global.output().print(&json, reference.trim_end());
    }
    let (registrar, _) = registrar::open(global).await?;
    let store = &*registrar.store;
    let now = registrar.clock.now();
    match verb {
        AuditVerb::List { filter, limit } => {
            let filter = filter.resolve(store, now).await?;
            list(global, store, &filter, limit).await
        }
        AuditVerb::Export { filter } => {
            let filter = filter.resolve(store, now).await?;
            export(store, &filter).await
        }
        AuditVerb::Follow { filter } => {
            let filter = filter.resolve(store, now).await?;
            let since = filter.since.unwrap_or(now);
            follow(
                global,
                store,
                AuditFilter {
                    since: Some(since),
                    ..filter
                },
            )
            .await
        }
        AuditVerb::Reference => Ok(()),
    }
}

impl FilterArgs {
    async fn resolve(self, store: &dyn Store, now: Timestamp) -> Result<AuditFilter, CliError> {
        let user = match self.user {
            Some(name) => Some(user_id(store, name).await?),
            None => None,
        };
        Ok(AuditFilter {
            kinds: self.kind,
            user,
            client: self.client.map(ClientId::new),
            trace: self.trace,
            since: self.since.map(|text| moment(&text, now)).transpose()?,
            until: self.until.map(|text| moment(&text, now)).transpose()?,
        })
    }
}

/// The user with this name, or else with this identifier: events outlive accounts.
async fn user_id(store: &dyn Store, name: String) -> Result<UserId, CliError> {
    if let Ok(canonical) = canonical_login_name(&name)
        && let Some((user, _)) = store.reader().user_by_login(&canonical).await?
    {
        return Ok(user.id);
    }
    Ok(UserId::new(name))
}

fn moment(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    if let Some(ago) = parse_duration(text) {
        return Ok(now.minus(ago));
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Timestamp(time.timestamp()));
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
        return Ok(Timestamp(midnight.timestamp()));
    }
    Err(CliError::usage(format!("{text:?} is no time"))
        .hint("write 2026-11-25T10:00:00Z, 2026-11-25 or 24h"))
}

async fn list(
    global: &Global,
    store: &dyn Store,
    filter: &AuditFilter,
    limit: u64,
) -> Result<(), CliError> {
    let mut events = Vec::new();
    let mut after = None;
    loop {
        let missing = limit - events.len() as u64;
        let page = audit(store, filter, Order::NewestFirst, after.as_deref(), missing).await?;
        events.extend(page.events);
        after = page.next;
        if after.is_none() || events.len() as u64 >= limit {
            break;
        }
    }
    events.reverse();
    let json: Vec<Value> = events.iter().map(to_json).collect();
    let lines: Vec<String> = events.iter().map(to_line).collect();
    global.output().print(&json.into(), lines.join("\n"))
}

async fn export(store: &dyn Store, filter: &AuditFilter) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = audit(store, filter, Order::OldestFirst, after.as_deref(), PAGE).await?;
        let mut out = io::stdout().lock();
        for event in &page.events {
            writeln!(out, "{}", to_json(event)).map_err(|error| CliError::unprinted(&error))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Transactions that began earlier may commit later, so a little of the past is read again each time.
async fn follow(global: &Global, store: &dyn Store, filter: AuditFilter) -> Result<(), CliError> {
    let stop = stop_on_signals()?;
    let mut filter = filter;
    let mut shown: VecDeque<String> = VecDeque::new();
    loop {
        let mut after = None;
        loop {
            let page = audit(store, &filter, Order::OldestFirst, after.as_deref(), PAGE).await?;
            for event in page.events {
                if shown.contains(&event.id) {
                    continue;
                }
                global.output().print(&to_json(&event), to_line(&event))?;
                filter.since = filter.since.max(Some(event.at.minus(LATE)));
                shown.push_back(event.id);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        while shown.len() > SHOWN {
            shown.pop_front();
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(PAUSE))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}

/// One line of text, whatever is in the event (security.md 176).
fn to_line(event: &AuditEvent) -> String {
    let mut line = format!("{}  {:20}", output::moment(event.at), event.kind.as_str());
    let actor = event.actor().map(|actor| actor.to_string());
    let members = [
        ("user", event.user.as_ref().map(UserId::as_str)),
        ("client", event.client.as_ref().map(ClientId::as_str)),
        ("by", actor.as_deref()),
        ("from", event.address.as_deref()),
        ("trace", event.trace.as_deref()),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            let _ = write!(line, "  {name}={}", printable(value));
        }
    }
    if event.detail.as_object().is_some_and(|it| !it.is_empty()) {
        let _ = write!(line, "  {}", printable(&event.detail.to_string()));
    }
    line
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn to_json(event: &AuditEvent) -> Value {
    json!({
        "id": event.id,
        "at": output::moment(event.at),
        "kind": event.kind,
        "actor": event.actor().map(|actor| actor.to_string()),
        "user": event.user,
        "client": event.client,
        "grant": event.grant,
        "address": event.address,
        "trace": event.trace,
        "detail": event.detail,
    })
}
