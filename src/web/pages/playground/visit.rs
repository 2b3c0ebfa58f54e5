//! What the playground remembers of each browser. It lives in this process and for a while only.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use openidconnect::{
    AccessToken, CsrfToken, Nonce, PkceCodeVerifier, RefreshToken, SubjectIdentifier,
    core::CoreIdToken,
};
use url::Url;

use super::{choices::Choices, party::Provider, steps::Steps};
use crate::domain::secret::SecretDigest;

/// Browsers remembered at once; the one that was away the longest gives way.
const MAX_VISITS: usize = 64;

/// One browser's walk through the playground.
#[derive(Default)]
pub(super) struct Visit {
    /// What was chosen.
    pub(super) choices: Choices,
    /// What happened.
    pub(super) steps: Steps,
    /// The server as discovered when the walk began.
    pub(super) provider: Option<Provider>,
    /// The authorization request that waits for its answer.
    pub(super) pending: Option<Pending>,
    /// What came of it.
    pub(super) tokens: Option<Tokens>,
    /// The sign-out that the browser is away for.
    pub(super) leaving: Option<Leaving>,
}

/// What must fit when the browser comes back with a code.
pub(super) struct Pending {
    /// Ties the answer to this browser.
    pub(super) state: CsrfToken,
    /// Ties the ID token to this request.
    pub(super) nonce: Nonce,
    /// Proves that who redeems the code is who asked for it.
    pub(super) verifier: PkceCodeVerifier,
}

/// The tokens of a signed-in user.
pub(super) struct Tokens {
    /// For APIs and userinfo.
    pub(super) access: AccessToken,
    /// For new tokens, where it was granted.
    pub(super) refresh: Option<RefreshToken>,
    /// The latest ID token.
    pub(super) id: CoreIdToken,
    /// That of the authorization request.
    pub(super) nonce: Nonce,
    /// Who signed in.
    pub(super) subject: SubjectIdentifier,
}

/// A sign-out under way.
pub(super) struct Leaving {
    /// Comes back with the browser.
    pub(super) state: String,
    /// Where the browser was sent.
    pub(super) address: Url,
}

/// A visit that handlers share; one at a time works on it.
pub(super) type Shared = Arc<tokio::sync::Mutex<Visit>>;

/// The visits by the secrets of their browsers.
#[derive(Default)]
pub(super) struct Visits(Mutex<VecDeque<(SecretDigest, Shared)>>);

impl Visits {
    /// The visit of the browser with this secret.
    pub(super) fn find(&self, secret: &str) -> Option<Shared> {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = visits
            .iter()
            .position(|(digest, _)| digest.matches(secret))?;
        let entry = visits.remove(at)?;
        let found = Arc::clone(&entry.1);
        visits.push_back(entry);
        Some(found)
    }

    /// A new visit.
    pub(super) fn add(&self, secret: &str) -> Shared {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if visits.len() == MAX_VISITS {
            visits.pop_front();
        }
        let visit = Shared::default();
        visits.push_back((SecretDigest::of(secret), Arc::clone(&visit)));
        visit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_that_was_away_the_longest_is_forgotten() {
        let visits = Visits::default();
        for n in 0..MAX_VISITS {
            visits.add(&n.to_string());
        }
        assert!(visits.find("0").is_some());
        visits.add("new");
        assert!(visits.find("1").is_none());
        assert!(visits.find("0").is_some());
        assert!(visits.find("new").is_some());
    }
}
