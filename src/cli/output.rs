//! What the program prints, and what its errors look like: as text, or as
//! `{"error": {"code", "message", "hint"}}`.

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use chrono::{DateTime, SecondsFormat};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    app::BuildError, application::ports::StoreError, config::ConfigError, domain::time::Timestamp,
    infrastructure::sql::migrate::MigrateError, web::server::ServeError,
};

/// A moment as machines and people read it (RFC 3339).
pub(super) fn moment(at: Timestamp) -> String {
    DateTime::from_timestamp(at.0, 0).map_or_else(
        || at.0.to_string(),
        |at| at.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// What a stranger's software says, on one line and without commands to the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Prints results to standard output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output(OutputFormat);

impl Output {
    pub(super) fn new(format: OutputFormat) -> Self {
        Self(format)
    }

    pub(super) fn is_json(self) -> bool {
        self.0 == OutputFormat::Json
    }

    /// Prints a result: `json` or `text`, as was asked.
    pub(super) fn print(self, json: &Value, text: impl fmt::Display) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        match self.0 {
            OutputFormat::Json => writeln!(out, "{json}"),
            OutputFormat::Text => writeln!(out, "{text}"),
        }
        .and_then(|()| out.flush())
        .map_err(|error| CliError::unprinted(&error))
    }

    /// Prints an error to standard error. If nobody reads there either, the exit code has to do.
    pub(super) fn print_error(self, error: &CliError) {
        let mut out = io::stderr().lock();
        let _ = match (error.kind, self.0) {
            (ErrorKind::Unread, _) => Ok(()),
            (_, OutputFormat::Json) => writeln!(out, "{}", error.to_json()),
            (_, OutputFormat::Text) => writeln!(out, "{error}"),
        };
    }
}

/// Why a verb did not do what it was asked, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Exists = 4,
    Unavailable = 5,
    /// Whoever read the output went away: `… | head -1`. As the shell counts a SIGPIPE.
    Unread = 141,
}

impl ErrorKind {
    /// The `code` in JSON.
    fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "invalid",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Unavailable => "unavailable",
            Self::Unread => "unread",
        }
    }
}

impl CliError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Exists, message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The result could not be written. A pipe that was closed is no fault that anybody has to read of.
    pub(super) fn unprinted(error: &io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe {
            ErrorKind::Unread
        } else {
            ErrorKind::Failed
        };
        Self::new(kind, format!("cannot print: {error}"))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What went wrong, without advice.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    fn to_json(&self) -> Value {
        let mut error = json!({
            "code": self.kind.code(),
            "exit_code": self.kind as u8,
            "message": self.message,
        });
        if let (Some(hint), Some(members)) = (&self.hint, error.as_object_mut()) {
            members.insert("hint".into(), json!(hint));
        }
        json!({ "error": error })
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string()).hint("every setting: countersign config reference")
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        let message = chain(&error);
        match error {
            BuildError::Database(_)
            | BuildError::Migration(_)
            | BuildError::State(_)
            | BuildError::Taken(_) => Self::unavailable(message),
            BuildError::KeyEncryptionKey(_)
            | BuildError::Keys(_)
            | BuildError::Metadata(_)
            | BuildError::Mail(_)
            | BuildError::Passwords(_)
            | BuildError::Telemetry(_)
            | BuildError::Playground(_)
            | BuildError::Authorities(_)
            | BuildError::Outbound(_) => Self::failed(message),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        BuildError::from(error).into()
    }
}

impl From<MigrateError> for CliError {
    fn from(error: MigrateError) -> Self {
        BuildError::from(error).into()
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let message = chain(&error);
        match error {
            ServeError::Bind { .. } => Self::unavailable(message),
            ServeError::Tls { .. } | ServeError::Failed(_) => Self::failed(message),
        }
    }
}

/// An error with what caused it, once each.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}
