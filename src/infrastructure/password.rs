//! Passwords: argon2id (RFC 9106) on threads of its own, behind a short queue.
//!
//! **Memory and processor.** A hash takes 19 MiB and some 20 ms by default. As many run at once as
//! there are workers, whatever the number of requests; a worker keeps its memory while it is busy
//! and gives it back when it has been idle. Requests beyond the queue, or that wait too long, are
//! told to come back (503) instead of making everybody wait; a request whose sender has gone is
//! never hashed.
//!
//! **Same time for everybody.** An account that does not exist is checked against a decoy of
//! today's parameters, in the same queue.
//!
//! **Text.** A password is normalized to NFC, as NIST SP 800-63B section 3.1.1.2 asks, so that the
//! same keys on another system produce the same password. NFKC would also make different
//! characters equal, which nobody needs here.

mod breached;
mod foreign;
mod workers;

use std::{io, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use async_trait::async_trait;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use self::breached::BreachedPasswords;
use self::{
    foreign::Foreign,
    workers::{Refused, Workers},
};
use crate::{
    application::ports::{HashError, PasswordCheck, PasswordHasher, Rng},
    domain::{password::normalize, user::PasswordHash},
    metrics::{self, WaitingPassword},
    telemetry,
};

/// A stored hash that asks for more memory than this (1 KiB blocks) is not computed: whoever can
/// write hashes must not be able to exhaust the server.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// The cost of a hash (RFC 9106 section 4; the OWASP minimum by default).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes. They are computed one after another.
    pub lanes: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

impl PasswordCost {
    /// Whether argon2 and this module can compute it.
    pub fn check(self) -> Result<(), InvalidCost> {
        if self.memory_kib > MOST_MEMORY_KIB {
            return Err(InvalidCost);
        }
        self.parameters().map(|_| ())
    }

    fn parameters(self) -> Result<Params, InvalidCost> {
        Params::new(
            self.memory_kib,
            self.passes,
            self.lanes,
            Some(Params::DEFAULT_OUTPUT_LEN),
        )
        .map_err(|_| InvalidCost)
    }
}

/// Parameters that argon2 cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "argon2 needs at least 8 KiB of memory per lane, at most 262144 KiB in all, and at least one \
     pass and one lane"
)]
pub struct InvalidCost;

/// How much hashing may go on at once.
#[derive(Clone, Copy, Debug)]
pub struct PasswordLoad {
    /// Hashes computed at the same time.
    pub workers: NonZeroUsize,
    /// Requests that may wait for a worker.
    pub queue: usize,
    /// How long a request waits before it is told to come back.
    pub deadline: Duration,
}

impl Default for PasswordLoad {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            queue: 128,
            deadline: Duration::from_secs(2),
        }
    }
}

/// Why the hasher could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The parameters are out of range.
    #[error(transparent)]
    Cost(#[from] InvalidCost),
    /// The list of stolen passwords cannot be used.
    #[error("the list of stolen passwords {} cannot be used", .0.display())]
    Breached(PathBuf, #[source] io::Error),
    /// The operating system gives us no thread.
    #[error("no thread for password hashing")]
    Thread(#[from] io::Error),
}

/// The password hasher.
pub struct Argon2Hasher {
    parameters: Params,
    decoy: PasswordHash,
    deadline: Duration,
    rng: Arc<dyn Rng>,
    workers: Workers<Arena>,
    site_words: Vec<String>,
    breached: Option<Arc<BreachedPasswords>>,
}

/// The memory of one worker.
type Arena = Vec<Block>;

impl Argon2Hasher {
    /// Starts the workers.
    pub fn start(
        cost: PasswordCost,
        load: PasswordLoad,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, StartError> {
        cost.check()?;
        let parameters = cost.parameters()?;
        Ok(Self {
            decoy: decoy(&parameters, &*rng)?,
            parameters,
            deadline: load.deadline,
            rng,
            workers: Workers::start(load.workers, load.queue)?,
            site_words: Vec::new(),
            breached: None,
        })
    }

    /// Refuses passwords made of `site_words` (in lower case), and those that are known as stolen.
    #[must_use]
    pub fn screening(
        mut self,
        site_words: Vec<String>,
        breached: Option<BreachedPasswords>,
    ) -> Self {
        self.site_words = site_words;
        self.breached = breached.map(Arc::new);
        self
    }

    /// Runs `job` on a worker, within the deadline.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Arena) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let span = telemetry::span("password", "hash");
        let result = self.run_unmeasured(job).await;
        span.end(&result);
        metrics::password(&result);
        result
    }

    async fn run_unmeasured<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Arena) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = WaitingPassword::begin();
        let measured = move |arena: &mut Arena| {
            drop(waiting);
            job(arena)
        };
        let answer = self
            .workers
            .submit(measured)
            .map_err(|Refused| HashError::Busy)?;
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(HashError::Busy),
        }
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &str) -> Result<PasswordHash, HashError> {
        let password = normalize(password);
        let parameters = self.parameters.clone();
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        self.rng.fill(&mut salt);
        self.run(move |arena| {
            let output = digest(&password, &salt, &parameters, arena)?;
            encode(&parameters, &salt, &output)
        })
        .await
    }

    async fn verify(
        &self,
        password: &str,
        stored: Option<&PasswordHash>,
    ) -> Result<PasswordCheck, HashError> {
        if let Some(foreign) = stored.and_then(|stored| Foreign::parse(stored.as_str())) {
            // As it was typed: whoever made the hash normalized nothing.
            let password = Zeroizing::new(password.to_owned());
            let is_it = self.run(move |_| Ok(foreign.is_of(&password))).await?;
            return Ok(if is_it {
                PasswordCheck::CorrectButOutdated
            } else {
                PasswordCheck::Wrong
            });
        }
        let password = normalize(password);
        let is_decoy = stored.is_none();
        let stored = decode(stored.unwrap_or(&self.decoy))?;
        let is_outdated = !same_cost(&stored.parameters, &self.parameters);
        let matches = self
            .run(move |arena| {
                let output = digest(&password, &stored.salt, &stored.parameters, arena)?;
                Ok(bool::from(output.ct_eq(&stored.output)))
            })
            .await?;
        Ok(match (matches && !is_decoy, is_outdated) {
            (false, _) => PasswordCheck::Wrong,
            (true, true) => PasswordCheck::CorrectButOutdated,
            (true, false) => PasswordCheck::Correct,
        })
    }

    fn site_words(&self) -> &[String] {
        &self.site_words
    }

    fn can_verify(&self, hash: &PasswordHash) -> bool {
        Foreign::parse(hash.as_str()).is_some() || decode(hash).is_ok()
    }

    async fn is_breached(&self, password: &str) -> Result<bool, HashError> {
        let Some(breached) = self.breached.clone() else {
            return Ok(false);
        };
        let password = normalize(password);
        let found = tokio::task::spawn_blocking(move || breached.holds(&password)).await;
        match found.map_err(io::Error::other).flatten() {
            Ok(found) => Ok(found),
            Err(error) => {
                tracing::error!(%error, "the list of stolen passwords cannot be read");
                Err(HashError::Unscreened)
            }
        }
    }
}

/// A hash that took no time to make, but takes as long as any to check.
fn decoy(parameters: &Params, rng: &dyn Rng) -> Result<PasswordHash, InvalidCost> {
    let mut random = [0; Salt::RECOMMENDED_LENGTH + Params::DEFAULT_OUTPUT_LEN];
    rng.fill(&mut random);
    let (salt, output) = random.split_at(Salt::RECOMMENDED_LENGTH);
    encode(parameters, salt, output).map_err(|_| InvalidCost)
}

fn digest(
    password: &str,
    salt: &[u8],
    parameters: &Params,
    arena: &mut Arena,
) -> Result<Zeroizing<Vec<u8>>, HashError> {
    let blocks = parameters.block_count();
    if arena.len() < blocks {
        arena.reserve_exact(blocks - arena.len());
        arena.resize(blocks, Block::new());
    }
    let length = parameters
        .output_len()
        .unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut output = Zeroizing::new(vec![0; length]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, &mut **arena)
        .map_err(|_| HashError::Corrupt)?;
    Ok(output)
}

fn encode(parameters: &Params, salt: &[u8], output: &[u8]) -> Result<PasswordHash, HashError> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(parameters).map_err(|_| HashError::Corrupt)?,
        salt: Some(Salt::new(salt).map_err(|_| HashError::Corrupt)?),
        hash: Some(Output::new(output).map_err(|_| HashError::Corrupt)?),
    };
    Ok(PasswordHash::new(hash.to_string()))
}

/// A hash as it was stored, taken apart.
struct Stored {
    parameters: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

fn decode(stored: &PasswordHash) -> Result<Stored, HashError> {
    let hash = phc::PasswordHash::new(stored.as_str()).map_err(|_| HashError::Corrupt)?;
    let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into());
    let parameters = Params::try_from(&hash).map_err(|_| HashError::Corrupt)?;
    match (hash.salt, hash.hash) {
        (Some(salt), Some(output)) if is_ours && parameters.m_cost() <= MOST_MEMORY_KIB => {
            Ok(Stored {
                parameters,
                salt: salt.as_ref().to_vec(),
                output: output.as_bytes().to_vec(),
            })
        }
        _ => Err(HashError::Corrupt),
    }
}

fn same_cost(one: &Params, other: &Params) -> bool {
    let cost = |p: &Params| (p.m_cost(), p.t_cost(), p.p_cost(), p.output_len());
    cost(one) == cost(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::infrastructure::random::SystemRng;

    const CHEAP: PasswordCost = PasswordCost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    /// No deadline that a slow machine could miss.
    fn hasher(cost: PasswordCost) -> Argon2Hasher {
        let load = PasswordLoad {
            workers: NonZeroUsize::MIN,
            queue: 16,
            deadline: Duration::from_mins(10),
        };
        Argon2Hasher::start(cost, load, Arc::new(SystemRng)).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let hasher = hasher(CHEAP);
        let hash = hasher.hash("correct horse").await.unwrap();
        let check = async |password| hasher.verify(password, Some(&hash)).await.unwrap();
        assert_eq!(check("correct horse").await, PasswordCheck::Correct);
        assert_eq!(check("correct horse ").await, PasswordCheck::Wrong);
        assert_eq!(check("").await, PasswordCheck::Wrong);
    }

    #[tokio::test]
    async fn the_same_password_hashes_differently_each_time() {
        let hasher = hasher(CHEAP);
        let hash = hasher.hash("correct horse").await.unwrap();
        assert_ne!(hash, hasher.hash("correct horse").await.unwrap());
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    #[tokio::test]
    async fn composed_and_decomposed_letters_are_one_password() {
        let hasher = hasher(CHEAP);
        let hash = hasher.hash("caf\u{e9}").await.unwrap();
        let check = hasher.verify("cafe\u{301}", Some(&hash)).await.unwrap();
        assert_eq!(check, PasswordCheck::Correct);
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_still_matches_and_is_outdated() {
        let old = hasher(CHEAP).hash("correct horse").await.unwrap();
        let hasher = hasher(PasswordCost {
            memory_kib: 128,
            ..CHEAP
        });
        let check = async |password| hasher.verify(password, Some(&old)).await.unwrap();
        assert_eq!(
            check("correct horse").await,
            PasswordCheck::CorrectButOutdated
        );
        assert_eq!(check("wrong").await, PasswordCheck::Wrong);
    }

    #[tokio::test]
    async fn nobody_has_no_password_but_costs_the_same() {
        let hasher = hasher(CHEAP);
        let check = hasher.verify("correct horse", None).await.unwrap();
        assert_eq!(check, PasswordCheck::Wrong);
        let decoy = decode(&hasher.decoy).unwrap();
        assert!(same_cost(&decoy.parameters, &hasher.parameters));
    }

    #[tokio::test]
    async fn an_unreadable_or_ruinous_hash_is_corrupt() {
        let hasher = hasher(CHEAP);
        let salt_and_output = "c29tZXNhbHRzb21lc2FsdA$uo3sF3HmHiYbKtcJUGNR1Y3JxjwLpZ8Na8DMpHwUXqc";
        for text in [
            String::new(),
            "plain text".to_owned(),
            format!("$argon2i$v=19$m=64,t=1,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=4194304,t=1,p=1${salt_and_output}"),
        ] {
            let stored = PasswordHash::new(text);
            let check = hasher.verify("x", Some(&stored)).await;
            assert_eq!(check, Err(HashError::Corrupt), "{}", stored.as_str());
        }
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for cost in [
            PasswordCost {
                memory_kib: 4,
                ..CHEAP
            },
            PasswordCost {
                memory_kib: u32::MAX,
                ..CHEAP
            },
            PasswordCost { passes: 0, ..CHEAP },
            PasswordCost { lanes: 0, ..CHEAP },
        ] {
            assert_eq!(cost.check(), Err(InvalidCost), "{cost:?}");
        }
        assert_eq!(PasswordCost::default().check(), Ok(()));
    }
}
