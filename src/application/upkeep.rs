//! What has to be done from time to time, on every node, without a leader.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    Ports,
    commands::request_deletion::remove_due_accounts,
    ports::{StoreError, UnitOfWork},
};

/// Between two sweeps.
const PAUSE: Duration = Duration::from_mins(5);
/// Rows removed in one transaction, so that nothing else waits long.
const BATCH: u64 = 500;
/// How long the numbers of changes stay: far longer than a node looks away.
const CHANGES: Duration = Duration::from_hours(1);

/// How much longer than what they end revocations stay: a clock that ran ahead may be set back.
const KEPT: Duration = Duration::from_hours(24);

/// What is swept, each with its own rule of when a row may go.
#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// Grants of which no token can be alive.
    Grants,
    /// Revocations of what is dead anyway.
    Revocations,
    /// Changes of the directory that every node has seen.
    Changes,
    /// Links that nobody can follow any more.
    Links,
    /// Sessions that ended by themselves.
    Sessions,
    /// Accounts whose users wanted them removed.
    Accounts,
    /// Events of the trail beyond the time that the operator keeps them.
    Events,
}

impl Sweep {
    const ALL: [Self; 7] = [
        Self::Grants,
        Self::Revocations,
        Self::Changes,
        Self::Links,
        Self::Sessions,
        Self::Accounts,
        Self::Events,
    ];
}

/// Removes what nobody needs any more, until `stop`.
pub async fn sweep(ports: &Ports, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(PAUSE))
        .await
        .is_some()
    {
        sweep_once(ports).await;
    }
}

/// Removes now what nobody needs any more, batch by batch.
pub async fn sweep_once(ports: &Ports) {
    for what in Sweep::ALL {
        if let Err(error) = run(ports, what).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                ?what,
                "what has expired could not be removed"
            );
        }
    }
}

async fn run(ports: &Ports, what: Sweep) -> Result<(), StoreError> {
    loop {
        let work = ports.store.begin().await?;
        let removed = what.batch(&*work, ports).await?;
        work.commit().await?;
        if removed < BATCH {
            return Ok(());
        }
    }
}

impl Sweep {
    async fn batch(self, work: &dyn UnitOfWork, ports: &Ports) -> Result<u64, StoreError> {
        let now = ports.clock.now();
        match self {
            Self::Grants => work.sweep_grants(now, BATCH).await,
            Self::Revocations => work.sweep_revocations(now.minus(KEPT), BATCH).await,
            Self::Changes => work.sweep_changes(now.minus(CHANGES), BATCH).await,
            Self::Links => work.sweep_links(now.minus(KEPT), BATCH).await,
            Self::Sessions => work.sweep_sessions(now.minus(KEPT), BATCH).await,
            Self::Accounts => remove_due_accounts(ports, work, BATCH).await,
            Self::Events => match ports.settings.audit_retention {
                Some(kept) => work.sweep_events(now.minus(kept), BATCH).await,
                None => Ok(0),
            },
        }
    }
}
