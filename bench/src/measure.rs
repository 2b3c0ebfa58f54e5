//! One window of one provider: load, and what it cost.

use std::{sync::Arc, time::Duration};

use crate::{
    clock,
    cpu::{Layout, Spent, Ticks, rss_kib},
    error::{BenchError, Fault},
    http::Link,
    load::{self, Bounds, Pace},
    row::Row,
    scenario::Scenario,
    target::Target,
    tokens::Keys,
    user::VirtualUser,
};

/// More errors than this make a run worthless.
pub(crate) const MAX_ERRORS: f64 = 0.001;

/// A provider with virtual users that are ready for one scenario.
pub(crate) struct Crowd {
    target: Arc<Target>,
    scenario: Scenario,
    users: Vec<VirtualUser>,
    keys: Arc<Keys>,
}

/// What a window needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// How the load comes.
    pub(crate) pace: Pace,
    /// Part of the capacity, for the row.
    pub(crate) load: Option<f64>,
    /// When it ends.
    pub(crate) bounds: Bounds,
    /// The pass, for the row.
    pub(crate) pass: u32,
    /// The processes beside the provider.
    pub(crate) beside: Vec<u32>,
    /// Whose processor is whose.
    pub(crate) layout: Layout,
}

impl Crowd {
    /// Makes so many users and prepares them.
    pub(crate) async fn gather(
        target: &Arc<Target>,
        scenario: Scenario,
        count: usize,
    ) -> Result<Self, BenchError> {
        let failed = |fault: Fault| BenchError::Prepare {
            peer: target.peer.clone(),
            scenario: scenario.title().to_owned(),
            fault,
        };
        let keys = Arc::new(keys(target).await.map_err(failed)?);
        let mut users = Vec::new();
        for index in 0..count {
            let mut user = VirtualUser::new(target.clone(), keys.clone(), index, count);
            user.prepare(scenario).await.map_err(failed)?;
            users.push(user);
        }
        Ok(Self {
            target: target.clone(),
            scenario,
            users,
            keys,
        })
    }

    /// Whose users they are.
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Prepares again what a window used up.
    pub(crate) async fn refill(&mut self) -> Result<(), BenchError> {
        for user in &mut self.users {
            let prepared = user.prepare(self.scenario).await;
            prepared.map_err(|fault| BenchError::Prepare {
                peer: self.target.peer.clone(),
                scenario: self.scenario.title().to_owned(),
                fault,
            })?;
        }
        Ok(())
    }

    /// Runs one window.
    pub(crate) async fn run(&mut self, window: &Window) -> (Row, Option<Fault>) {
        let app = [self.target.pid];
        let own = [std::process::id()];
        let core = window.layout.server.unwrap_or(window.layout.generator);
        let users = std::mem::take(&mut self.users);
        let count = users.len();
        let verified = self.keys.verified();

        let ticks = Ticks::of(core);
        let before = [&app[..], &window.beside, &own].map(Spent::of);
        let (users, outcome) = load::run(users, self.scenario, window.pace, window.bounds).await;
        let after = [&app[..], &window.beside, &own].map(Spent::of);
        let [cpu, beside, generator] = {
            let mut pairs = after.iter().zip(&before);
            [(); 3].map(|()| {
                pairs
                    .next()
                    .map_or(Duration::ZERO, |(after, before)| after.since(before))
            })
        };
        let elsewhere = Ticks::of(core).elsewhere(ticks, cpu);
        self.users = users;

        let done = (outcome.successes as f64).max(1.0);
        let percentile = |p| outcome.latency.value_at_quantile(p);
        let row = Row {
            at: clock::unix(),
            peer: self.target.peer.clone(),
            scenario: self.scenario,
            pass: window.pass,
            users: count,
            load: window.load,
            seconds: outcome.elapsed.as_secs_f64(),
            operations: outcome.successes,
            errors: outcome.failures,
            verified: self.keys.verified().saturating_sub(verified),
            cpu: cpu.as_secs_f64() * 1e6 / done,
            beside: beside.as_secs_f64() * 1e6 / done,
            p50: percentile(0.50),
            p95: percentile(0.95),
            p99: percentile(0.99),
            rss_kib: rss_kib(&app),
            generator: generator.as_secs_f64() / outcome.elapsed.as_secs_f64().max(1e-9),
            steal: elsewhere.steal,
            foreign: elsewhere.foreign,
        };
        (row, outcome.first_fault)
    }

    /// Loads it until the cost of an operation stands still: two windows within 2 %, or `limit`.
    pub(crate) async fn warm_up(&mut self, window: &Window, limit: Duration) {
        const STEADY: f64 = 0.02;
        let began = clock::now();
        let mut last = f64::INFINITY;
        while began.elapsed() < limit {
            let (row, _) = self.run(window).await;
            if (row.cpu / last - 1.0).abs() < STEADY {
                return;
            }
            last = row.cpu;
            if self.refill().await.is_err() {
                // The window that counts will show it.
                return;
            }
        }
    }
}

/// A closed window of this length.
pub(crate) fn closed(
    layout: Layout,
    beside: Vec<u32>,
    length: Duration,
    operations: u64,
) -> Window {
    Window {
        pace: Pace::Closed,
        load: None,
        bounds: Bounds { length, operations },
        pass: 0,
        beside,
        layout,
    }
}

async fn keys(target: &Target) -> Result<Keys, Fault> {
    let mut link = Link::new(target.address, target.host());
    let mut request = http::Request::new(http_body_util::Full::default());
    *request.uri_mut() = target.paths.jwks.parse().unwrap_or_default();
    let reply = link.send(request).await?;
    Keys::parse(&reply.having(http::StatusCode::OK, target.paths.jwks)?.body)
}
