//! How much may be asked in a minute: by address, network, client and account, at each endpoint, on
//! all nodes together (ADR 31).
//!
//! Counting costs no round trip: a node counts in memory, and tells the state store only when a
//! sixteenth of a quota has come together, in one operation that also brings what the other nodes
//! counted. A caller far below its quota is never told of. What is refused is not counted on.
//!
//! Windows are minutes of the injected clock, so that everybody knows when one ends. A counter is a
//! digest; in memory there is a bounded number, in the store each ends with its window.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quick_cache::sync::Cache;

use super::{
    ports::{
        Clock,
        state::{Kind, StateKey, StateStore},
    },
    settings::RequestLimits,
};
use crate::{
    domain::{client::Client, id::UserId},
    metrics,
};

/// Seconds of a window.
pub const WINDOW: u64 = 60;
/// Counters in memory at most. One that gives way loses what it had not yet told the store of.
const COUNTERS: usize = 32_768;
/// So many times while a quota is used up the store is told.
const SETTLEMENTS: u64 = 16;

/// Where requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/oauth2/token`
    Token,
    /// `/oauth2/introspect`
    Introspection,
    /// `/oauth2/revoke`
    Revocation,
    /// `/oauth2/authorize`
    Authorization,
    /// The form of the login page.
    Login,
    /// `/api/admin`
    Administration,
    /// `/oauth2/register`
    Registration,
}

impl Endpoint {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
            Self::Authorization => "authorization",
            Self::Login => "login",
            Self::Administration => "administration",
            Self::Registration => "registration",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// An IPv4 address, or an IPv6 network of 64 bits: one household.
    Address,
    /// An IPv4 network of 24 bits, or an IPv6 network of 48: one customer.
    Network,
    /// A client that has proved who it is.
    Client,
    /// A user who is logged in.
    Account,
}

impl Policy {
    /// Its name in the header fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Client => "client",
            Self::Account => "account",
        }
    }
}

/// How a caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// By what.
    pub policy: Policy,
    /// What may be asked in a window.
    pub quota: u64,
    /// What may still be asked in this one.
    pub remaining: u64,
    /// Until the next one.
    pub resets_in: Duration,
}

/// The request is one too many. It was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests, counted by {}", .0.policy.as_str())]
pub struct Limited(pub Standing);

/// The counters of a node.
pub struct Limits {
    settings: RequestLimits,
    tallies: Cache<StateKey, Arc<Mutex<Tally>>>,
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

/// A counter of one window.
#[derive(Debug, Default)]
struct Tally {
    window: u64,
    /// What the store said last, or knows by now.
    settled: u64,
    /// What it has not been told of.
    unsettled: u64,
}

impl Tally {
    fn total(&self) -> u64 {
        self.settled.saturating_add(self.unsettled)
    }

    /// Counts one request, unless the quota is used up. False if it is.
    fn take(&mut self, window: u64, quota: u64) -> bool {
        if self.window != window {
            *self = Self {
                window,
                ..Self::default()
            };
        }
        let is_free = self.total() < quota;
        if is_free {
            self.unsettled += 1;
        }
        is_free
    }

    /// What the store is to be told of now.
    fn due(&mut self, quota: u64) -> Option<u64> {
        (self.unsettled >= (quota / SETTLEMENTS).max(1)).then(|| {
            let due = std::mem::take(&mut self.unsettled);
            self.settled = self.settled.saturating_add(due);
            due
        })
    }
}

impl Limits {
    /// Nothing has been counted.
    pub fn new(settings: RequestLimits, state: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            tallies: Cache::new(COUNTERS),
            state,
            clock,
        }
    }

    /// Counts a request of anybody. `None` where there is no limit.
    pub async fn take_address(
        &self,
        endpoint: Endpoint,
        address: IpAddr,
    ) -> Result<Option<Standing>, Limited> {
        let quota = self.settings.per_address(endpoint);
        let (household, customer) = prefixes(address);
        let own = self
            .take((Policy::Address, endpoint), household.as_bytes(), quota)
            .await?;
        let quota = quota.map(|quota| quota.saturating_mul(self.settings.network_factor));
        let shared = self
            .take((Policy::Network, endpoint), customer.as_bytes(), quota)
            .await?;
        Ok(match (own, shared) {
            (Some(own), Some(shared)) if shared.remaining < own.remaining => Some(shared),
            (own, _) => own,
        })
    }

    /// Counts a request of a client that has proved who it is. One without a secret cannot, and
    /// anybody could use up what it may.
    pub async fn take_client(
        &self,
        endpoint: Endpoint,
        client: &Client,
    ) -> Result<Option<Standing>, Limited> {
        if client.is_public() {
            return Ok(None);
        }
        let quota = self.settings.of_client(client);
        let name = client.id.as_str().as_bytes();
        self.take((Policy::Client, endpoint), name, quota).await
    }

    /// Counts a request of a user who is logged in.
    pub async fn take_account(
        &self,
        endpoint: Endpoint,
        user: &UserId,
    ) -> Result<Option<Standing>, Limited> {
        let quota = self.settings.of_account();
        let name = user.as_str().as_bytes();
        self.take((Policy::Account, endpoint), name, quota).await
    }

    async fn take(
        &self,
        (policy, endpoint): (Policy, Endpoint),
        name: &[u8],
        quota: Option<u64>,
    ) -> Result<Option<Standing>, Limited> {
        let Some(quota) = quota else {
            return Ok(None);
        };
        let now = u64::try_from(self.clock.now().0).unwrap_or(0);
        let (window, passed) = (now / WINDOW, now % WINDOW);
        let rule: [&[u8]; 3] = [
            policy.as_str().as_bytes(),
            endpoint.as_str().as_bytes(),
            name,
        ];
        let tally = self.tally(&StateKey::of_parts(Kind::Counter, &rule));
        let (is_free, due, total) = {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            let is_free = tally.take(window, quota);
            (is_free, tally.due(quota), tally.total())
        };
        let (is_free, total) = match due {
            Some(due) => {
                let own = self.settle((&rule, window), due, &tally).await;
                (is_free && own <= quota, own)
            }
            None => (is_free, total),
        };
        let standing = Standing {
            policy,
            quota,
            remaining: quota.saturating_sub(total),
            resets_in: Duration::from_secs(WINDOW - passed),
        };
        if is_free {
            return Ok(Some(standing));
        }
        metrics::limited(endpoint.as_str(), policy.as_str());
        tracing::debug!(
            endpoint = endpoint.as_str(),
            policy = policy.as_str(),
            "too many requests"
        );
        Err(Limited(standing))
    }

    fn tally(&self, key: &StateKey) -> Arc<Mutex<Tally>> {
        let made = self
            .tallies
            .get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        match made {
            Ok(tally) => tally,
            Err(never) => match never {},
        }
    }

    /// Tells the store of requests; how many there are by now on all nodes. While the store is away,
    /// each node counts for itself.
    async fn settle(
        &self,
        (rule, window): (&[&[u8]; 3], u64),
        due: u64,
        tally: &Mutex<Tally>,
    ) -> u64 {
        let [policy, endpoint, name] = *rule;
        let parts: [&[u8]; 4] = [policy, endpoint, name, &window.to_be_bytes()];
        let key = StateKey::of_parts(Kind::Counter, &parts);
        let told = self
            .state
            .count(&key, due, Duration::from_secs(2 * WINDOW))
            .await;
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Ok(shared) if tally.window == window => tally.settled = tally.settled.max(shared),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "requests are counted by this node alone");
            }
        }
        tally.total()
    }
}

/// How many bytes of an address stand for it, and for the network around it.
fn prefixes(address: IpAddr) -> (Prefix, Prefix) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let octets = address.octets();
            (Prefix::of(&octets, 4), Prefix::of(&octets, 3))
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            (Prefix::of(&octets, 8), Prefix::of(&octets, 6))
        }
    }
}

/// The beginning of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    bytes: [u8; 8],
    length: usize,
}

impl Prefix {
    fn of(octets: &[u8], length: usize) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(octets.iter().take(length)) {
            *to = *from;
        }
        Self { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_ends_with_its_window_and_counts_no_refused_request() {
        let mut tally = Tally::default();
        assert!(tally.take(7, 2) && tally.take(7, 2));
        assert!(!tally.take(7, 2) && !tally.take(7, 2));
        assert_eq!(tally.total(), 2);
        assert!(tally.take(8, 2));
        assert_eq!(tally.total(), 1);
    }

    #[test]
    fn the_store_is_told_of_a_sixteenth_at_a_time() {
        let mut tally = Tally::default();
        for n in 1..=40 {
            assert!(tally.take(1, 160));
            assert_eq!(tally.due(160), (n % 10 == 0).then_some(10), "{n}");
        }
    }

    #[test]
    fn households_and_customers_are_prefixes() {
        let of = |text: &str| prefixes(text.parse().unwrap());
        assert_eq!(of("192.0.2.7").1, of("192.0.2.8").1);
        assert_ne!(of("192.0.2.7").0, of("192.0.2.8").0);
        assert_eq!(of("2001:db8:1:2::1").0, of("2001:db8:1:2::2").0);
        assert_eq!(of("2001:db8:1:2::1").1, of("2001:db8:1:3::1").1);
        assert_ne!(of("2001:db8:1:2::1").0, of("2001:db8:1:3::1").0);
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
    }
}
