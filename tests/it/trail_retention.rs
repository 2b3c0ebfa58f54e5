//! How long the trail is kept.

use std::time::Duration;

use countersign::application::upkeep;

use crate::support::app::{Stage, TestApp};

const DAY: Duration = Duration::from_hours(24);

mod events_beyond_their_time_go_in_batches_and_the_rest_stays {
    use super::*;

    async fn run(stage: Stage) {
        let app = TestApp::start_with(stage, |settings| {
            settings.audit_retention = Some(400 * DAY);
        })
        .await;
        // More than two batches of the sweep.
        let events: Vec<_> = (0..1_200).map(|_| event(&app)).collect();
        let work = app.begin().await;
        for some in events.chunks(100) {
            work.record_all(some).await.unwrap();
        }
        work.commit().await.unwrap();
        app.clock.advance(399 * DAY);
        upkeep::sweep_once(app.ports()).await;
        assert_eq!(app.events().await.len(), 1_000, "a page of them all");
        let young = event(&app);
        let work = app.begin().await;
        work.record(&young).await.unwrap();
        work.commit().await.unwrap();
        app.clock.advance(2 * DAY);
        upkeep::sweep_once(app.ports()).await;
        assert_eq!(app.events().await, ["login.succeeded"]);
    }

    #[tokio::test]
    async fn on_sqlite_and_the_embedded_store() {
        run(Stage::Embedded).await;
    }

    #[tokio::test]
    async fn on_postgres_and_redis() {
        run(Stage::Servers).await;
    }
}

#[tokio::test]
async fn without_a_retention_the_trail_is_kept_for_good() {
    let app = TestApp::start(Stage::Embedded).await;
    let work = app.begin().await;
    work.record(&event(&app)).await.unwrap();
    work.commit().await.unwrap();
    let before = app.events().await;
    app.clock.advance(10_000 * DAY);
    upkeep::sweep_once(app.ports()).await;
    assert_eq!(app.events().await, before);
}

fn event(app: &TestApp) -> countersign::domain::event::AuditEvent {
    use countersign::{
        application::trail::{About, Origin},
        domain::event::EventKind,
    };
    let kind = EventKind::LoginSucceeded;
    app.ports()
        .event(kind, &Origin::default(), About::default())
}
