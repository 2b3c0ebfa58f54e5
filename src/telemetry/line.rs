//! One event, one line. Written by hand: the subscriber's own formats keep the fields of every span as
//! text, and its JSON reads that text back for each event.

use std::fmt::{self, Write as _};

use chrono::{SecondsFormat, Utc};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::TRACE;
use crate::config::LogFormat;

/// Writes events in this format, each with the trace id of the request that it happened in.
pub(super) struct Line(pub(super) LogFormat);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let now = now();
        match self.0 {
            LogFormat::Json => {
                write!(
                    writer,
                    r#"{{"timestamp":"{now}","level":"{level}","target":"{target}""#
                )?;
            }
            LogFormat::Compact => write!(writer, "{now} {level:>5} {target}:")?,
        }
        let mut fields = Fields {
            format: self.0,
            writer: &mut writer,
            result: Ok(()),
        };
        event.record(&mut fields);
        let _ = TRACE.try_with(|request| fields.put("trace_id", &request.id));
        fields.result?;
        match self.0 {
            LogFormat::Json => writer.write_str("}\n"),
            LogFormat::Compact => writer.write_char('\n'),
        }
    }
}

/// When the line is written: a fact about the line, not about any record.
fn now() -> impl fmt::Display {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Writes field after field; remembers the first failure.
struct Fields<'a, 'w> {
    format: LogFormat,
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    /// A value that is text.
    fn put(&mut self, name: &str, value: &dyn fmt::Display) {
        if self.result.is_ok() {
            self.result = self.write_text(name, value);
        }
    }

    /// A value that JSON has a form of its own for.
    fn put_bare(&mut self, name: &str, value: &dyn fmt::Display) {
        if self.result.is_ok() {
            self.result = match self.format {
                LogFormat::Json => write!(self.writer, r#","{name}":{value}"#),
                LogFormat::Compact => write!(self.writer, " {name}={value}"),
            };
        }
    }

    fn write_text(&mut self, name: &str, value: &dyn fmt::Display) -> fmt::Result {
        match self.format {
            LogFormat::Json => {
                write!(self.writer, r#","{name}":""#)?;
                write!(Json(self.writer), "{value}")?;
                self.writer.write_char('"')
            }
            LogFormat::Compact => {
                self.writer.write_char(' ')?;
                if name != "message" {
                    write!(self.writer, "{name}=")?;
                }
                write!(Plain(self.writer), "{value}")
            }
        }
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_bare(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_bare(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_bare(field.name(), &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field.name(), &Chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), &format_args!("{value:?}"));
    }
}

/// An error with what caused it.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Whatever could begin a line, paint the terminal or turn the direction of writing.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes what passes as the inside of a JSON string (RFC 8259 section 7).
struct Json<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Json<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(
            self.0,
            text,
            |c| c == '"' || c == '\\' || is_harmful(c),
            |writer, c| match c {
                '"' | '\\' => write!(writer, "\\{c}"),
                other => write!(writer, "\\u{:04x}", u32::from(other)),
            },
        )
    }
}

/// Escapes what passes for people who read the log in a terminal.
struct Plain<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Plain<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text, is_harmful, |writer, c| {
            write!(writer, "{}", c.escape_unicode())
        })
    }
}

/// Writes `text` in whole pieces, with `escape` for what `is_special`.
fn escaped(
    writer: &mut Writer<'_>,
    text: &str,
    is_special: impl Fn(char) -> bool,
    escape: impl Fn(&mut Writer<'_>, char) -> fmt::Result,
) -> fmt::Result {
    for piece in text.split_inclusive(&is_special) {
        match piece.chars().next_back().filter(|last| is_special(*last)) {
            Some(last) => {
                writer.write_str(piece.strip_suffix(last).unwrap_or_default())?;
                escape(writer, last)?;
            }
            None => writer.write_str(piece)?,
        }
    }
    Ok(())
}
