//! Trying again what was given up.

use serde_json::json;

use crate::{
    application::{
        ports::{OutboxFilter, Page},
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, event::EventKind},
};

/// Messages revived in one transaction.
const BATCH: u64 = 200;

/// Makes one message due now that was given up.
pub async fn retry_message(registrar: &Registrar, id: &str) -> Result<(), RegistrarError> {
    registrar.may(Right::OutboxWrite)?;
    let work = registrar.store.begin().await?;
    if !work.revive(id, registrar.clock.now()).await? {
        let name = id.to_owned();
        return Err(RegistrarError::NotFound("outbox", name));
    }
    registrar
        .record_in(&*work, EventKind::OutboxRetried, about(1))
        .await?;
    Ok(work.commit().await?)
}

/// Makes every message due now that was given up; how many there were.
pub async fn retry_all(registrar: &Registrar) -> Result<u64, RegistrarError> {
    registrar.may(Right::OutboxWrite)?;
    let mut total = 0;
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: BATCH,
        };
        let dead = registrar.store.reader();
        let dead = dead.outbox(OutboxFilter::Dead, &page).await?;
        let Some(last) = dead.last() else {
            return Ok(total);
        };
        after = Some(last.message.id.clone());
        let work = registrar.store.begin().await?;
        let mut revived = 0;
        for row in &dead {
            let was_dead = work.revive(&row.message.id, registrar.clock.now()).await?;
            revived += u64::from(was_dead);
        }
        registrar
            .record_in(&*work, EventKind::OutboxRetried, about(revived))
            .await?;
        work.commit().await?;
        total += revived;
    }
}

fn about(count: u64) -> About {
    About {
        detail: Some(json!({ "messages": count })),
        ..About::default()
    }
}
