//! A history checker: users sign in, redeem, refresh, introspect and revoke while faults strike, and
//! every answer is held against what was answered before (security.md 5, invariants I1 to I6).
//!
//! Short here; `scripts/chaos` runs the same for longer and writes docs/reliability.md.

mod faults;
mod rules;
mod workload;

use std::{
    fmt::Write as _,
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use self::{faults::Rig, rules::Book};

/// How long faults strike: seconds in `COUNTERSIGN_CHAOS_SECONDS`, else a few.
fn duration() -> Duration {
    let seconds = std::env::var("COUNTERSIGN_CHAOS_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(12))
}

async fn check(rig: Rig) {
    let book = Arc::new(Book::default());
    let name = rig.name();
    let workers: Vec<_> = (0..6)
        .map(|at| tokio::spawn(workload::work(rig.target(), book.clone(), at)))
        .collect();
    let faults = rig.strike(&book, duration()).await;
    book.stop.store(true, Ordering::Release);
    for worker in workers {
        worker.await.unwrap();
    }
    let operations = book.operations.load(Ordering::Relaxed);
    let unanswered = book.unanswered.load(Ordering::Relaxed);
    let violations = book.violations.lock().unwrap().clone();
    report(name, (operations, unanswered), &faults, violations.len());
    assert!(operations > 50, "{name}: only {operations} operations");
    assert!(!faults.is_empty());
    assert!(violations.is_empty(), "{name}: {violations:#?}");
}

/// A row for docs/reliability.md, where `COUNTERSIGN_CHAOS_REPORT` asks for one.
fn report(
    name: &str,
    (operations, unanswered): (u64, u64),
    faults: &[&'static str],
    violations: usize,
) {
    let mut kinds: Vec<&str> = faults.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let mut list = String::new();
    for kind in kinds {
        let count = faults.iter().filter(|fault| **fault == kind).count();
        let _ = write!(
            list,
            "{}{count} × {kind}",
            if list.is_empty() { "" } else { ", " }
        );
    }
    let row = format!("| {name} | {operations} | {unanswered} | {list} | {violations} |\n");
    eprintln!("{row}");
    if let Ok(folder) = std::env::var("COUNTERSIGN_CHAOS_REPORT") {
        fs::write(format!("{folder}/{}.row", name.replace(' ', "-")), row).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_sqlite_and_the_embedded_store_break_no_promise() {
    check(Rig::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_a_forgetful_redis_break_no_promise_on_two_nodes() {
    check(Rig::servers().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_breaks_no_promise_on_the_embedded_store() {
    check(Rig::clock(super::support::app::Stage::Embedded).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_breaks_no_promise_on_postgres_and_redis() {
    check(Rig::clock(super::support::app::Stage::Servers).await).await;
}
