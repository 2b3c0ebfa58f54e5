//! What waits in the outbox, and what was given up.

use serde_json::Value;

use crate::{
    application::ports::{OutboxFilter, Page, Store, StoreError},
    domain::{
        event::{OutboxKind, OutboxRow},
        time::Timestamp,
    },
};

/// A message as operators see it: nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its identifier, to retry it by.
    pub id: String,
    /// What kind of delivery.
    pub kind: OutboxKind,
    /// The template of a mail.
    pub template: Option<String>,
    /// The recipient of a mail.
    pub to: Option<String>,
    /// When it was written.
    pub written_at: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next; absent once it was given up.
    pub due_at: Option<Timestamp>,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
}

/// A page of the messages that are not delivered, oldest first.
pub async fn outbox(
    store: &dyn Store,
    filter: OutboxFilter,
    page: &Page,
) -> Result<Vec<WaitingMessage>, StoreError> {
    let rows = store.reader().outbox(filter, page).await?;
    Ok(rows.into_iter().map(waiting).collect())
}

fn waiting(row: OutboxRow) -> WaitingMessage {
    let OutboxRow {
        message,
        dead_at,
        error,
    } = row;
    let member = |name| {
        let value = message.payload.get(name).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    WaitingMessage {
        template: member("template"),
        to: member("to"),
        written_at: message.written_at(),
        due_at: dead_at.is_none().then_some(message.due_at),
        id: message.id,
        kind: message.kind,
        attempts: message.attempts,
        dead_at,
        error,
    }
}
