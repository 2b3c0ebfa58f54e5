//! What has to be done from time to time, on every node, without a leader.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Ports;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_mins(5);
/// Grants removed in one transaction, so that nothing else waits long.
const BATCH: u64 = 500;

/// Removes grants of which no token can be alive, until `stop`.
pub async fn sweep_grants(ports: &Ports, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(PAUSE))
        .await
        .is_some()
    {
        if let Err(error) = sweep(ports).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "expired grants could not be removed"
            );
        }
    }
}

async fn sweep(ports: &Ports) -> Result<(), super::ports::StoreError> {
    loop {
        let work = ports.store.begin().await?;
        let removed = work.sweep_grants(ports.clock.now(), BATCH).await?;
        work.commit().await?;
        if removed < BATCH {
            return Ok(());
        }
    }
}
