//! A bound on connections, and on those of one address: one that comes too many is closed before it
//! costs anything.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum_server::accept::Accept;
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::ServerOptions;
use crate::metrics;

/// Accepts as long as there are places.
#[derive(Clone)]
pub(super) struct LimitedAcceptor {
    places: Arc<Semaphore>,
    shares: Arc<Shares>,
}

impl LimitedAcceptor {
    pub(super) fn new(options: &ServerOptions) -> Self {
        Self {
            places: Arc::new(Semaphore::new(options.max_connections)),
            shares: Arc::new(Shares {
                most: options.max_connections_per_address,
                trusted: options.trusted_proxies.clone(),
                taken: Mutex::default(),
            }),
        }
    }

    fn place(&self, stream: TcpStream) -> io::Result<Counted> {
        let share = Share::take(&self.shares, stream.peer_addr()?.ip())?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            metrics::connection_refused("all");
            io::Error::other("too many connections")
        })?;
        stream.set_nodelay(true)?;
        Ok(Counted {
            stream,
            _place: place,
            _share: share,
        })
    }
}

impl<S> Accept<TcpStream, S> for LimitedAcceptor {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.place(stream).map(|stream| (stream, service)))
    }
}

/// How many connections each address has.
struct Shares {
    most: usize,
    trusted: Vec<IpNet>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Shares {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection of an address, until it is dropped.
struct Share {
    shares: Arc<Shares>,
    household: IpAddr,
}

impl Share {
    /// One more connection of this address. A trusted proxy needs none: it may have any number, for
    /// they are many people's.
    fn take(shares: &Arc<Shares>, address: IpAddr) -> io::Result<Option<Self>> {
        let address = address.to_canonical();
        if shares.trusted.iter().any(|net| net.contains(&address)) {
            return Ok(None);
        }
        let household = household(address);
        let mut taken = shares.taken();
        let count = taken.entry(household).or_default();
        if *count >= shares.most {
            metrics::connection_refused("address");
            return Err(io::Error::other("too many connections from this address"));
        }
        *count += 1;
        drop(taken);
        Ok(Some(Self {
            shares: Arc::clone(shares),
            household,
        }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        if let Some(count) = taken.get_mut(&self.household) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.household);
            }
        }
    }
}

/// An IPv4 address, or the first of an IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

/// A connection that keeps its place until it is closed.
pub(super) struct Counted {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
