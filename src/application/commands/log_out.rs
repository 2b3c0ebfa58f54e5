//! A logout that waits for its user's confirmation (RP-Initiated Logout §2).

use serde::{Deserialize, Serialize};

use crate::{
    application::{
        Failure, Ports,
        ports::state::{Kind, StateKey},
        state,
    },
    domain::secret::SecretDigest,
};

/// What happens once the user has confirmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Where to go afterwards: a registered address.
    pub destination: Option<String>,
    browser: SecretDigest,
}

/// Notes a logout that waits; its identifier, and the secret for the browser's cookie.
pub async fn wait(ports: &Ports, destination: Option<String>) -> Result<(String, String), Failure> {
    let (id, secret) = (ports.identifier(), ports.secret());
    let pending = Pending {
        destination,
        browser: SecretDigest::of(&secret),
    };
    state::put_record(
        &*ports.state,
        &key(&id),
        &pending,
        ports.settings.lifetimes.interaction,
    )
    .await?;
    Ok((id, secret))
}

/// The logout that this browser was asked about, once.
pub async fn take(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
) -> Result<Option<Pending>, Failure> {
    let pending: Option<Pending> = state::get_record(&*ports.state, &key(id)).await?;
    let Some(pending) =
        pending.filter(|pending| secret.is_some_and(|secret| pending.browser.matches(secret)))
    else {
        return Ok(None);
    };
    Ok(ports.state.delete(&key(id)).await?.then_some(pending))
}

fn key(id: &str) -> StateKey {
    StateKey::new(Kind::Interaction, &format!("logout\0{id}"))
}
