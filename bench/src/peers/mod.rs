//! The providers that are compared, behind one trait.

pub(crate) mod countersign;
mod glewlwyd;
mod keycloak;
mod node;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
};

use clap::ValueEnum;

use self::countersign::Countersign;
use crate::{cpu::Layout, error::BenchError, process::Running, stores::Stores, target::Target};

/// What a provider is started with.
pub(crate) struct Site<'a> {
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    /// Databases beside it.
    pub(crate) stores: &'a mut Stores,
    /// Which processor is the server's.
    pub(crate) layout: Layout,
    /// Where `bench/peers/setup` put the others.
    pub(crate) others: &'a Path,
    /// From nought: how many of this peer were started before.
    pub(crate) number: usize,
}

/// Running processes of a provider, and what each can do. They end when this is dropped.
pub(crate) struct Started {
    /// To be kept.
    pub(crate) processes: Vec<Running>,
    /// Each scenario is done by the first target that knows it.
    pub(crate) targets: Vec<Target>,
}

/// The answer of [`Peer::start`].
pub(crate) type Starting<'a> = Pin<Box<dyn Future<Output = Result<Started, BenchError>> + 'a>>;

/// A provider that can be measured.
pub(crate) trait Peer {
    /// What rows and tables call it.
    fn name(&self) -> &'static str;
    /// Starts it with clients and users, on loopback, ready for requests.
    fn start<'a>(&'a self, site: Site<'a>) -> Starting<'a>;
}

/// The peers of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerName {
    /// Countersign on SQLite and its embedded store
    Sqlite,
    /// Countersign on PostgreSQL and Redis
    Postgres,
    /// node-oidc-provider with a Redis adapter
    Node,
    /// glewlwyd on SQLite (Debian package)
    Glewlwyd,
    /// Keycloak on PostgreSQL
    Keycloak,
}

impl PeerName {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Whether another build of it can be measured beside it.
    pub(crate) fn is_countersign(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }

    /// The peer; `binary` is Countersign's.
    pub(crate) fn peer(self, binary: &Path, users: usize) -> Box<dyn Peer> {
        match self {
            Self::Sqlite => Box::new(Countersign::sqlite(binary, users)),
            Self::Postgres => Box::new(Countersign::postgres(binary, users)),
            Self::Node => Box::new(node::NodeOidcProvider { users }),
            Self::Glewlwyd => Box::new(glewlwyd::Glewlwyd),
            Self::Keycloak => Box::new(keycloak::Keycloak),
        }
    }
}
