//! How often a login may be tried.
//!
//! Attempts are counted before any password is hashed, so that parallel guesses gain nothing. A
//! stranger is counted by account and network, so that wrong passwords from one network lock nobody
//! out elsewhere; and by account alone, at a higher bound, against guessing that is spread over many
//! networks. A browser that the account has logged in with before is counted by itself: neither bound
//! of the strangers stops it. The network counts failures over all accounts besides.
//!
//! Windows are slots of fixed length by the injected clock, offset by the counter's own name, so that
//! everybody knows when one ends.

use std::time::Duration;

use serde_json::json;

use super::{
    Failure, Ports,
    ports::state::{Kind, StateKey},
    state,
    trail::{About, Origin},
};
use crate::{
    domain::{event::EventKind, id::ClientId, user::User},
    protocol::known_device::Device,
};

/// Whose attempt it is.
pub(super) struct Attempt<'a> {
    /// The canonical name that was typed.
    pub(super) name: &'a str,
    /// The account of that name, if there is one.
    pub(super) user: Option<&'a User>,
    /// What the browser showed.
    pub(super) device: Option<&'a Device>,
    /// The application that waits.
    pub(super) client: Option<&'a ClientId>,
    /// Where it comes from.
    pub(super) origin: &'a Origin,
}

/// An attempt that was counted.
pub(super) struct Counted {
    own: Vec<StateKey>,
    network: Slot,
}

/// The attempt is one too many, for so long.
pub(super) struct TooMany {
    pub(super) wait: Duration,
}

/// A counter of the present window.
struct Slot {
    key: StateKey,
    ends_in: Duration,
}

impl Slot {
    fn of(ports: &Ports, path: &[&str]) -> Self {
        let name = format!("login\0{}", path.join("\0"));
        let window = ports.settings.login_limits.window.as_secs().max(1);
        let [a, b, c, d, ..] = *StateKey::new(Kind::Counter, &name).digest();
        let offset = u64::from(u32::from_be_bytes([a, b, c, d]));
        let now = u64::try_from(ports.clock.now().0).unwrap_or(0);
        let moment = now.saturating_add(offset);
        let (index, passed) = (moment / window, moment % window);
        Self {
            key: StateKey::new(Kind::Counter, &format!("{name}\0{index}")),
            ends_in: Duration::from_secs(window - passed),
        }
    }

    async fn hit(&self, ports: &Ports) -> Result<u64, Failure> {
        Ok(ports.state.hit(&self.key, self.ends_in).await?)
    }
}

/// Counts the attempt before it is made. `Err` inside: it must not be made.
pub(super) async fn reserve(
    ports: &Ports,
    attempt: &Attempt<'_>,
) -> Result<Result<Counted, TooMany>, Failure> {
    let limits = &ports.settings.login_limits;
    let address = attempt.origin.address.as_deref().unwrap_or_default();
    let network = Slot::of(ports, &["address", address]);
    let epoch = attempt.user.map_or(0, |user| user.login_epoch).to_string();
    if let Some(device) = known(ports, attempt) {
        let slot = Slot::of(ports, &["device", attempt.name, &epoch, &device.id()]);
        let count = slot.hit(ports).await?;
        if count > limits.per_account {
            let is_first = count == limits.per_account + 1;
            return refuse(ports, attempt, ("device", is_first), slot.ends_in).await;
        }
        let own = vec![slot.key];
        return Ok(Ok(Counted { own, network }));
    }
    let here = Slot::of(ports, &["network", attempt.name, &epoch, address]);
    let (count, failures) =
        futures_util::future::try_join(here.hit(ports), failures(ports, &network)).await?;
    if count > limits.per_account {
        let is_first = count == limits.per_account + 1;
        return refuse(ports, attempt, ("network", is_first), here.ends_in).await;
    }
    if failures >= limits.per_address {
        let noted = Slot::of(ports, &["address noted", address]);
        let is_first = noted.hit(ports).await? == 1;
        return refuse(ports, attempt, ("address", is_first), network.ends_in).await;
    }
    // Counted last: what one network tries beyond its own bound must not use up everybody's.
    let everywhere = Slot::of(ports, &["account", attempt.name, &epoch]);
    let count = everywhere.hit(ports).await?;
    if count > limits.per_account_total {
        let is_first = count == limits.per_account_total + 1;
        return refuse(ports, attempt, ("account", is_first), everywhere.ends_in).await;
    }
    let own = vec![here.key, everywhere.key];
    Ok(Ok(Counted { own, network }))
}

/// A login that succeeds forgets what was counted against it.
pub(super) async fn forget(ports: &Ports, counted: &Counted) -> Result<(), Failure> {
    let deletions = counted.own.iter().map(|key| ports.state.delete(key));
    futures_util::future::try_join_all(deletions).await?;
    Ok(())
}

/// A login that fails counts against its network, which many honest people may share.
pub(super) async fn fail(ports: &Ports, counted: &Counted) -> Result<(), Failure> {
    counted.network.hit(ports).await.map(drop)
}

/// The browser, if the account has logged in with it before.
pub(super) fn known<'a>(ports: &Ports, attempt: &Attempt<'a>) -> Option<&'a Device> {
    let user = attempt.user?;
    attempt
        .device
        .filter(|device| ports.device_key.knows(device, &user.id))
}

async fn failures(ports: &Ports, network: &Slot) -> Result<u64, Failure> {
    Ok(state::count(&*ports.state, &network.key).await?)
}

/// The trail has one event for each counter and window, however many attempts follow.
async fn refuse(
    ports: &Ports,
    attempt: &Attempt<'_>,
    (counter, is_first): (&'static str, bool),
    wait: Duration,
) -> Result<Result<Counted, TooMany>, Failure> {
    tracing::warn!(
        user = attempt.user.map(|user| user.id.as_str()),
        client = attempt.client.map(ClientId::as_str),
        counter,
        wait_seconds = wait.as_secs(),
        "login limited"
    );
    if is_first {
        let about = About {
            user: attempt.user.map(|user| user.id.clone()),
            client: attempt.client.cloned(),
            detail: Some(json!({ "counter": counter })),
            ..About::default()
        };
        ports
            .refused(EventKind::LoginThrottled, attempt.origin, about)
            .await?;
    }
    Ok(Err(TooMany { wait }))
}
