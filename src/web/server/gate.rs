//! A listener that can be closed before the connections that it let in.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long a connection that the system has taken already may need to show up.
const LATECOMERS: Duration = Duration::from_millis(50);

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Address for Peer {
    type Stream = TcpStream;
    type Listener = Gate;
}

impl Connected<Peer> for SocketAddr {
    fn connect_info(Peer(address): Peer) -> Self {
        address
    }
}

/// How a gate is closed.
#[derive(Clone, Default)]
pub(super) struct Closing {
    /// Cancelled by whoever wants it closed.
    pub(super) asked: CancellationToken,
    /// Cancelled by the gate when nobody can come in any more.
    pub(super) done: CancellationToken,
}

/// Lets connections in until it is closed, and then those that wait already.
pub(super) struct Gate {
    listener: Mutex<Option<TcpListener>>,
    last_call: Mutex<Option<Instant>>,
    address: SocketAddr,
    closing: Closing,
}

impl Gate {
    /// Open until it is asked to close.
    pub(super) fn open(listener: std::net::TcpListener, closing: Closing) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener: Mutex::new(Some(TcpListener::from_std(listener)?)),
            last_call: Mutex::default(),
            closing,
        })
    }

    /// Until when latecomers are let in. Whoever waits even then is let in, too.
    async fn last_call(&self) -> Instant {
        let mut last_call = self.last_call.lock().await;
        *last_call.get_or_insert_with(|| Instant::now() + LATECOMERS)
    }
}

impl AddrListener<TcpStream, Peer> for Gate {
    async fn bind_to(Peer(_): Peer) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Peer)> {
        let mut place = self.listener.lock().await;
        let Some(listener) = &*place else {
            drop(place);
            return pending().await;
        };
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => Some(accepted),
            () = self.closing.asked.cancelled() => {
                tokio::time::timeout_at(self.last_call().await, listener.accept()).await.ok()
            }
        };
        if let Some(accepted) = accepted {
            return accepted.map(|(stream, address)| (stream, Peer(address)));
        }
        // From now on whoever connects is told so by the system, before anything was sent.
        *place = None;
        drop(place);
        self.closing.done.cancel();
        pending().await
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(self.address))
    }
}
