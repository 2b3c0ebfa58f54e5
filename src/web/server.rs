//! The listeners: HTTP/1.1 and HTTP/2, plain or over TLS, with bounds on everything that a slow or
//! greedy peer could hold, and an orderly end.
//!
//! **The end.** A request that is on its way over a kept connection when that is closed is lost, and
//! its sender cannot know whether it was answered. So closing is announced: for a while everything
//! goes on, so that balancers notice that this node is not ready any more; then each answer says that
//! it is the last on its connection; then nobody is let in; and only what has been silent all the time
//! is closed without a word.

mod gate;
mod limit;
mod mutual;
mod tls;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tower::util::MapResponse;

use self::{
    gate::{Closing, Gate, Peer},
    limit::LimitedAcceptor,
    mutual::MutualAcceptor,
    tls::Certificate,
};

/// How long a connection may be silent at the very end before it is closed.
const LINGER: Duration = Duration::from_secs(2);
/// How often it is looked at whether all connections have ended.
const GLANCE: Duration = Duration::from_millis(10);
/// Bytes of a request's head at most; the guard is stricter and has better words.
const MAX_HEAD: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The public address.
    pub listen: SocketAddr,
    /// The management address, if there is one.
    pub management: Option<SocketAddr>,
    /// Certificate and key, PEM files; plain HTTP where absent.
    pub tls: Option<TlsFiles>,
    /// Where clients are asked for certificates, over the same TLS files.
    pub mutual: Option<SocketAddr>,
    /// Public connections at most; further ones are closed at once.
    pub max_connections: usize,
    /// Public connections from one address at most.
    pub max_connections_per_address: usize,
    /// Whose connections stand for many people's, and are not counted by address.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a peer may take for the TLS handshake, and for the head of a request.
    pub head_timeout: Duration,
    /// How long everything goes on after the signal to stop, while readiness says no.
    pub drain: Duration,
    /// How long requests may go on after the signal to stop.
    pub shutdown_timeout: Duration,
}

/// PEM files that are read again when they change and on SIGHUP.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {}", reason(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("cannot use {}: {problem}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is the matter.
        problem: String,
    },
    /// The listener broke.
    #[error("the listener failed")]
    Failed(#[from] io::Error),
}

fn reason(error: &io::Error) -> String {
    let known = [
        (
            io::ErrorKind::AddrInUse,
            "another program listens there; stop it or choose another port",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "this machine does not have that address",
        ),
    ];
    let words = known.iter().find(|(kind, _)| *kind == error.kind());
    words.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

/// Listeners that are bound but answer nobody yet.
pub struct Server {
    public: TcpListener,
    mutual: Option<TcpListener>,
    management: Option<TcpListener>,
    certificate: Option<Certificate>,
    options: ServerOptions,
}

impl Server {
    /// Takes the addresses and reads the certificate: whatever can be wrong is found before
    /// anybody is answered.
    pub fn bind(options: ServerOptions) -> Result<Self, ServeError> {
        let certificate = options.tls.clone().map(Certificate::read).transpose()?;
        let management = options.management.map(listen).transpose()?;
        Ok(Self {
            public: listen(options.listen)?,
            mutual: options.mutual.map(listen).transpose()?,
            management,
            certificate,
            options,
        })
    }

    /// The public address, with the port that the system chose if it was 0.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        Ok(self.public.local_addr()?)
    }

    /// The management address.
    pub fn management_address(&self) -> Result<Option<SocketAddr>, ServeError> {
        let address = self.management.as_ref().map(TcpListener::local_addr);
        Ok(address.transpose()?)
    }

    /// Answers until `stop` is cancelled, then lets what has begun come to its end.
    pub async fn run(
        self,
        public: Router,
        management: Router,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let Self {
            public: listener,
            mutual,
            management: management_listener,
            certificate,
            options,
        } = self;
        // The management listener answers until the very end, so that "not ready" can be seen.
        let (public_handle, management_handle) = (Handle::new(), Handle::new());
        let mutual_handle = Handle::new();
        let end = End::default();
        let gate = Gate::open(listener, end.closing.clone())?;
        let mutual = match (mutual, &certificate) {
            (Some(listener), Some(certificate)) => {
                // Closes with the other, and nobody waits for it to say so.
                let closing = Closing {
                    asked: end.closing.asked.clone(),
                    ..Closing::default()
                };
                Some((Gate::open(listener, closing)?, certificate.mutual()))
            }
            (Some(_) | None, _) => None,
        };
        let stopping = async {
            stop.cancelled().await;
            tracing::info!("stopping");
            end.announce(&options, &public_handle).await;
            mutual_handle.graceful_shutdown(Some(options.shutdown_timeout));
            public_handle.graceful_shutdown(Some(options.shutdown_timeout));
            std::future::pending::<()>().await;
        };
        let head_timeout = options.head_timeout;
        let management = run_management(
            management_listener,
            (management, head_timeout),
            management_handle.clone(),
        );
        let mutual = run_mutual(
            mutual,
            public.clone(),
            (&options, end.is_near.clone()),
            mutual_handle.clone(),
        );
        let public = run_public(
            (gate, certificate),
            public,
            (&options, end.is_near.clone()),
            public_handle.clone(),
        );
        let public = async { tokio::try_join!(public, mutual).map(drop) };
        let everything = async { tokio::try_join!(finish(public, &management_handle), management) };
        tokio::select! {
            ended = everything => ended.map(|_| ()).map_err(ServeError::from),
            () = stopping => Ok(()),
        }
    }
}

/// How a server comes to its end.
#[derive(Default)]
struct End {
    /// Each answer is the last on its connection.
    is_near: Arc<AtomicBool>,
    /// Nobody is let in.
    closing: Closing,
}

impl End {
    /// Takes its time: see the top of this file.
    async fn announce(&self, options: &ServerOptions, connections: &Handle<Peer>) {
        let half = options.drain / 2;
        if half.is_zero() {
            return;
        }
        tokio::time::sleep(half).await;
        self.is_near.store(true, Ordering::Relaxed);
        tokio::time::sleep(half).await;
        self.closing.asked.cancel();
        let all_ended = async {
            self.closing.done.cancelled().await;
            loop {
                tokio::time::sleep(GLANCE).await;
                if connections.connection_count() == 0 {
                    return;
                }
            }
        };
        let patience = LINGER.min(options.shutdown_timeout);
        // Whoever has been silent for so long has nothing on its way.
        let _ = tokio::time::timeout(patience, all_ended).await;
    }
}

/// Ends the management listener after the public one.
async fn finish(
    public: impl Future<Output = io::Result<()>>,
    management: &Handle<SocketAddr>,
) -> io::Result<()> {
    let ended = public.await;
    management.shutdown();
    ended
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|source| ServeError::Bind { address, source })
}

async fn run_management(
    listener: Option<TcpListener>,
    (router, head_timeout): (Router, Duration),
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    match listener {
        Some(listener) => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            bound_http(server.http_builder(), head_timeout);
            server.serve(router.into_make_service()).await
        }
        None => Ok(()),
    }
}

/// The listener that asks for certificates, if there is one.
async fn run_mutual(
    listener: Option<(Gate, RustlsConfig)>,
    router: Router,
    (options, is_near): (&ServerOptions, Arc<AtomicBool>),
    handle: Handle<Peer>,
) -> io::Result<()> {
    let Some((gate, config)) = listener else {
        return Ok(());
    };
    let last = MapResponse::new(router, last_answer(is_near));
    let service =
        axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(last);
    let head_timeout = options.head_timeout;
    let mut server = axum_server::Server::<Peer>::from_listener(gate)
        .handle(handle)
        .first_request_timeout(head_timeout);
    bound_http(server.http_builder(), head_timeout);
    let acceptor = RustlsAcceptor::new(config)
        .handshake_timeout(head_timeout)
        .acceptor(LimitedAcceptor::new(options));
    server
        .acceptor(MutualAcceptor(acceptor))
        .serve(service)
        .await
}

/// Says that an answer is the last on its connection once the end is near.
fn last_answer(is_near: Arc<AtomicBool>) -> impl Fn(Response) -> Response + Clone {
    move |mut response: Response| {
        if is_near.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

async fn run_public(
    (gate, certificate): (Gate, Option<Certificate>),
    router: Router,
    (options, is_near): (&ServerOptions, Arc<AtomicBool>),
    handle: Handle<Peer>,
) -> io::Result<()> {
    let last = MapResponse::new(router, last_answer(is_near));
    let service =
        axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(last);
    let limited = LimitedAcceptor::new(options);
    let head_timeout = options.head_timeout;
    let mut server = axum_server::Server::<Peer>::from_listener(gate)
        .handle(handle)
        .first_request_timeout(head_timeout);
    bound_http(server.http_builder(), head_timeout);
    match certificate {
        None => server.acceptor(limited).serve(service).await,
        Some(certificate) => {
            let acceptor = RustlsAcceptor::new(certificate.config())
                .handshake_timeout(head_timeout)
                .acceptor(limited);
            let watcher = tokio::spawn(certificate.watch());
            let ended = server.acceptor(acceptor).serve(service).await;
            watcher.abort();
            ended
        }
    }
}

fn bound_http(
    builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
    head_timeout: Duration,
) {
    builder
        .http1()
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(head_timeout);
}
