//! The state store for many nodes: Redis 6.2 or later.
//!
//! Every change is one command or one script on one key, so that Redis makes it atomic. Redis
//! expires by its own clock.
//!
//! **Failure.** Nothing here hangs longer than [`DEADLINE`]. A write is sent once: repeating a swap
//! whose answer was lost would find its own tombstone and report a replay, repeating an `add` would
//! report that somebody else won. Only reading is tried again. Whoever needs the answer refuses.

mod link;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{Cmd, FromRedisValue, RedisError, Script, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};

use self::link::{Link, field};
use super::milliseconds;
use crate::application::ports::state::{StateError, StateKey, StateStore};

/// The longest that an operation may take, whatever happens: reconnecting, asking, asking again.
const DEADLINE: Duration = Duration::from_millis(2_500);

/// Compare-and-set: key, expected value, new value, time to live in milliseconds.
const REPLACE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0";

/// Counts in a window that opens with the first event: key, window in milliseconds, events.
const HIT: &str = "
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count";

/// Where the Redis server is and how our keys are told from those of others on it.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `redis://` or `rediss://` (TLS) with user, password and database number as the server needs
    /// them.
    pub url: SecretString,
    /// Certificates (PEM) that the server's must descend from, instead of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// What every key begins with: letters, digits, `-`, `_`, `.` and `:`.
    pub namespace: String,
}

/// A state store on a Redis server.
pub struct RedisStore {
    link: Link,
    namespace: String,
    replace: Script,
    hit: Script,
}

impl RedisStore {
    /// Connects, and refuses a server that cannot do what the store needs.
    pub async fn connect(options: &RedisOptions) -> Result<Self, ConnectError> {
        check_namespace(&options.namespace)?;
        let authorities = match &options.ca_file {
            Some(path) => Some(read_authorities(path).await?),
            None => None,
        };
        let link = Link::new(options.url.expose_secret(), authorities)
            .map_err(ConnectError::Configuration)?;
        let store = Self {
            link,
            namespace: options.namespace.clone(),
            replace: Script::new(REPLACE),
            hit: Script::new(HIT),
        };
        store.check_server().await?;
        Ok(store)
    }

    async fn check_server(&self) -> Result<(), ConnectError> {
        let info = self.info().await?;
        let version = field(&info, "redis_version").unwrap_or_default();
        if !supports_swap(version) {
            return Err(ConnectError::TooOld(version.to_owned()));
        }
        if let Some(policy) = evicting(&info) {
            tracing::warn!(
                policy,
                "Redis may evict state before its time: an evicted revocation or replay key no \
                 longer protects; set maxmemory-policy to noeviction"
            );
        }
        Ok(())
    }

    async fn info(&self) -> Result<String, ConnectError> {
        tokio::time::timeout(DEADLINE, self.link.query(&redis::cmd("INFO")))
            .await
            .unwrap_or_else(|elapsed| Err(std::io::Error::from(elapsed).into()))
            .map_err(|source| ConnectError::Unreachable {
                address: self.link.address(),
                source,
            })
    }

    /// What about the server may cost state before its time, in words.
    pub async fn weaknesses(&self) -> Result<Vec<String>, ConnectError> {
        let info = self.info().await?;
        let evicts = evicting(&info).map(|policy| format!("its maxmemory-policy is {policy}"));
        let forgets = field(&info, "aof_enabled") == Some("0");
        let forgets = forgets.then(|| "it forgets sessions and codes when it stops".to_owned());
        Ok(evicts.into_iter().chain(forgets).collect())
    }

    fn key(&self, key: &StateKey) -> String {
        let digest = URL_SAFE_NO_PAD.encode(key.digest());
        format!("{}:{}:{{{digest}}}", self.namespace, key.kind().prefix())
    }

    /// Asks twice if the connection was lost: reading changes nothing.
    async fn read<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StateError> {
        let twice = async {
            match self.link.query(command).await {
                Err(error) if link::is_lost(&error) => self.link.query(command).await,
                answer => answer,
            }
        };
        in_time(twice).await
    }

    async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StateError> {
        in_time(self.link.query(command)).await
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StateError> {
        in_time(self.link.invoke(script)).await
    }
}

#[async_trait]
impl StateStore for RedisStore {
    async fn put(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<(), StateError> {
        let mut command = redis::cmd("SET");
        command.arg(self.key(key)).arg(value);
        command.arg("PX").arg(milliseconds(ttl));
        self.write(&command).await
    }

    async fn add(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<bool, StateError> {
        let mut command = redis::cmd("SET");
        command.arg(self.key(key)).arg(value).arg("NX");
        command.arg("PX").arg(milliseconds(ttl));
        let written: Option<String> = self.write(&command).await?;
        Ok(written.is_some())
    }

    async fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(key));
        self.read(&command).await
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(self.key(key));
        }
        self.read(&command).await
    }

    async fn swap(
        &self,
        key: &StateKey,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Vec<u8>>, StateError> {
        let mut command = redis::cmd("SET");
        command.arg(self.key(key)).arg(value).arg("XX").arg("GET");
        command.arg("PX").arg(milliseconds(ttl));
        self.write(&command).await
    }

    async fn replace(
        &self,
        key: &StateKey,
        expected: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StateError> {
        let mut script = self.replace.key(self.key(key));
        script.arg(expected).arg(value).arg(milliseconds(ttl));
        self.run(&script).await
    }

    async fn delete(&self, key: &StateKey) -> Result<bool, StateError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(key));
        self.write(&command).await
    }

    async fn count(
        &self,
        key: &StateKey,
        events: u64,
        window: Duration,
    ) -> Result<u64, StateError> {
        let mut script = self.hit.key(self.key(key));
        script.arg(milliseconds(window)).arg(events);
        self.run(&script).await
    }

    async fn incarnation(&self) -> Result<Arc<str>, StateError> {
        in_time(self.link.server()).await
    }
}

/// Why the server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL or what goes with it is wrong. Does not repeat the URL: it may hold a password.
    #[error("the Redis settings are not valid")]
    Configuration(#[source] RedisError),
    /// The namespace could not be part of a key.
    #[error("the Redis namespace {0:?} holds more than letters, digits, '-', '_', '.' and ':'")]
    Namespace(String),
    /// The file of certificates cannot be read.
    #[error("the Redis CA file {} cannot be read", path.display())]
    Authorities {
        /// The file that was asked for.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// There is no server, or it does not let us in.
    #[error("the Redis server at {address} cannot be used")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: RedisError,
    },
    /// The server lacks what swap needs.
    #[error("Redis 6.2 or later is needed; the server says it is {0:?}")]
    TooOld(String),
}

async fn in_time<T>(
    operation: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, StateError> {
    match tokio::time::timeout(DEADLINE, operation).await {
        Ok(answer) => answer.map_err(unavailable),
        Err(elapsed) => Err(StateError::Unavailable(elapsed.into())),
    }
}

/// What the server says may repeat what it was sent; its error code says enough.
fn unavailable(error: RedisError) -> StateError {
    StateError::Unavailable(match error.code() {
        Some(code) => format!("Redis answered {code}").into(),
        None => error.into(),
    })
}

/// Braces in a namespace would take the place of the hash tag.
fn check_namespace(namespace: &str) -> Result<(), ConnectError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if namespace.is_empty() || !namespace.bytes().all(allowed) {
        return Err(ConnectError::Namespace(namespace.to_owned()));
    }
    Ok(())
}

async fn read_authorities(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let pem = tokio::fs::read(path).await;
    pem.map_err(|source| ConnectError::Authorities {
        path: path.to_owned(),
        source,
    })
}

/// `SET` with both `XX` and `GET` came with 6.2.
/// The policy by which a server throws away what has not expired.
fn evicting(info: &str) -> Option<&str> {
    field(info, "maxmemory_policy").filter(|name| *name != "noeviction")
}

fn supports_swap(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) >= (6, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_cannot_contain_a_hash_tag() {
        assert!(check_namespace("countersign:eu-1").is_ok());
        for wrong in ["", "{a}", "a b", "a\n"] {
            assert!(check_namespace(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_server_without_atomic_swap_is_told_from_one_with_it() {
        for version in ["6.2.0", "6.10.1", "7.0.15", "8.0"] {
            assert!(supports_swap(version), "{version}");
        }
        for version in ["6.0.16", "5.0", "6", "", "unknown"] {
            assert!(!supports_swap(version), "{version}");
        }
    }

    #[test]
    fn fields_are_found_in_the_servers_information() {
        let info =
            "# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "absent"), None);
    }
}
