//! Why nothing was measured, and why one operation failed.

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file, a socket or a process.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The kernel refused to pin a thread.
    #[error("cannot pin to a processor: {0}")]
    Pin(#[from] rustix::io::Errno),
    /// A result that is no JSON, or a row that cannot be written.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The seeded database.
    #[error("{0}")]
    Sql(#[from] sea_orm::DbErr),
    /// A server did not come up.
    #[error("{name} did not get ready within {seconds} s; it says:\n{log}")]
    NotReady {
        /// Which one.
        name: String,
        /// How long it may take.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// A program that prepares something failed.
    #[error("{program} failed: {text}")]
    Program {
        /// Which one.
        program: String,
        /// What it wrote.
        text: String,
    },
    /// An operation failed while everything was prepared.
    #[error("{peer}, {scenario}: {fault}")]
    Prepare {
        /// Whose.
        peer: String,
        /// For what.
        scenario: String,
        /// What was wrong.
        fault: Fault,
    },
    /// Something that the caller can mend.
    #[error("{0}")]
    Usage(String),
}

/// Why an operation does not count.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The connection.
    #[error("connection: {0}")]
    Link(String),
    /// Another status than the operation has.
    #[error("status {status} from {path}: {text}")]
    Status {
        /// What came.
        status: u16,
        /// From where.
        path: String,
        /// The beginning of the body.
        text: String,
    },
    /// An answer that is not what it should be.
    #[error("{0}")]
    Shape(String),
    /// Tokens made beforehand are used up: the round is over.
    #[error("nothing left to do")]
    Exhausted,
}

impl Fault {
    /// An answer that is not what it should be.
    pub(crate) fn shape(what: impl Into<String>) -> Self {
        Self::Shape(what.into())
    }
}
