//! One multiplexed connection to a Redis server, renewed when it is lost.
//!
//! The driver's own `ConnectionManager` is not used: it keeps the result of connecting, and renews
//! it only after input or output errors. A server that once refused us for another reason (too many
//! clients, a password just being changed) would stay refused until a restart. Here a failure to
//! connect is never kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, ScriptInvocation,
    TlsCertificates, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::sync::Mutex;

const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many commands may wait for the socket: more than one burst of requests.
const QUEUED_COMMANDS: usize = 512;

pub(super) struct Link {
    client: Client,
    current: Mutex<Option<Connected>>,
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    lost: Arc<AtomicBool>,
    server: Arc<str>,
}

impl Link {
    /// Prepares to connect, trusting only `authorities` (PEM) if they are given.
    pub(super) fn new(url: &str, authorities: Option<Vec<u8>>) -> RedisResult<Self> {
        let info = url.into_connection_info()?;
        // The third version of the protocol tells at once when the server closes the connection.
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_user_timeout(CONNECTION_TIMEOUT);
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        let client = match authorities {
            None => Client::open(info)?,
            Some(pem) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem),
                },
            )?,
        };
        Ok(Self {
            client,
            current: Mutex::default(),
        })
    }

    /// Host and port, for messages.
    pub(super) fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut connected = self.connected().await?;
        let answer = command.query_async(&mut connected.connection).await;
        connected.note(answer)
    }

    /// Runs a script; a server that does not know it (any more) is told it first.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> RedisResult<T> {
        let mut connected = self.connected().await?;
        let answer = script.invoke_async(&mut connected.connection).await;
        connected.note(answer)
    }

    /// The `run_id` of the server that the present connection talks to: another one after a
    /// restart, and after a failover.
    pub(super) async fn server(&self) -> RedisResult<Arc<str>> {
        Ok(self.connected().await?.server)
    }

    async fn connected(&self) -> RedisResult<Connected> {
        let mut current = self.current.lock().await;
        if let Some(connected) = &*current
            && !connected.lost.load(Ordering::Acquire)
        {
            return Ok(connected.clone());
        }
        // Drop the lost connection first: its server may have no room for another.
        *current = None;
        let connected = self.connect().await?;
        *current = Some(connected.clone());
        Ok(connected)
    }

    async fn connect(&self) -> RedisResult<Connected> {
        let lost = Arc::new(AtomicBool::new(false));
        let closed = lost.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_pipeline_buffer_size(QUEUED_COMMANDS)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    closed.store(true, Ordering::Release);
                }
                Ok::<_, std::convert::Infallible>(())
            });
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        // Before the connection is used for anything: whoever compares the name with what it read
        // must not read from a server that it has no name of.
        let info = redis::cmd("INFO").arg("server").to_owned();
        let info: String = info.query_async(&mut connection).await?;
        let server = field(&info, "run_id").ok_or_else(no_run_id)?.into();
        Ok(Connected {
            connection,
            lost,
            server,
        })
    }
}

impl Connected {
    /// Sees to it that a connection that has failed is not used again. One that merely did not
    /// answer in time has failed too: nothing says that it ever will.
    fn note<T>(&self, answer: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &answer
            && is_lost(error)
        {
            self.lost.store(true, Ordering::Release);
        }
        answer
    }
}

/// A field of what `INFO` answers: lines of `name:value`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    fields.find_map(|(key, value)| (key == name).then_some(value.trim()))
}

fn no_run_id() -> RedisError {
    let what = "the server does not say its run_id";
    RedisError::from((ErrorKind::UnexpectedReturnType, what))
}

/// Whether another connection might answer.
pub(super) fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
