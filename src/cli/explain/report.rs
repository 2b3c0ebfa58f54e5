//! What is known of a request, in order: what was asked, what was refused and why, what was done.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{advice::advice, log::LogLine};
use crate::cli::output::moment;
use crate::domain::{
    event::AuditEvent,
    id::{ClientId, GrantId, UserId},
};

/// Fields that every line has, or that are shown elsewhere.
const OF_EVERY_LINE: [&str; 5] = ["timestamp", "level", "target", "message", "trace_id"];

/// What is known of a request.
pub(super) struct Report {
    trace: String,
    lines: Vec<LogLine>,
    refusals: Vec<Refusal>,
    events: Vec<AuditEvent>,
    note: Option<String>,
}

/// A check that failed.
#[derive(Debug)]
struct Refusal {
    /// The error as the client was told.
    error: String,
    check: Option<String>,
    cause: Option<String>,
    client: Option<String>,
    received: Option<String>,
    registered: Option<String>,
}

impl Report {
    pub(super) fn new(
        trace: &str,
        lines: Vec<LogLine>,
        events: Vec<AuditEvent>,
        note: Option<String>,
    ) -> Self {
        let refusals = lines.iter().filter_map(|line| match line {
            LogLine::Fields(fields) => Refusal::of(fields),
            LogLine::Text(_) => None,
        });
        Self {
            trace: trace.to_owned(),
            refusals: refusals.collect(),
            lines,
            events,
            note,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.events.is_empty()
    }

    /// The line that ends every request.
    fn asked(&self) -> Option<&Map<String, Value>> {
        self.lines.iter().find_map(|line| match line {
            LogLine::Fields(fields) if text(fields, "message").as_deref() == Some("answered") => {
                Some(fields)
            }
            LogLine::Fields(_) | LogLine::Text(_) => None,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let lines = self.lines.iter().map(|line| match line {
            LogLine::Fields(fields) => Value::Object(fields.clone()),
            LogLine::Text(text) => json!(text),
        });
        let refusals = self.refusals.iter().map(Refusal::to_json);
        let request = self.asked().map(|fields| {
            let kept = [
                "timestamp",
                "method",
                "path",
                "address",
                "status",
                "microseconds",
            ];
            let kept = kept.iter().filter_map(|name| {
                let value = fields.get(*name)?.clone();
                Some(((*name).to_owned(), value))
            });
            Value::Object(kept.collect())
        });
        json!({
            "trace": self.trace,
            "request": request,
            "refusals": refusals.collect::<Vec<_>>(),
            "events": self.events,
            "log": lines.collect::<Vec<_>>(),
            "note": self.note,
        })
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = format!("Request {}\n", self.trace);
        if let Some(fields) = self.asked() {
            out.push_str(&asked_text(fields));
        }
        for refusal in &self.refusals {
            out.push_str(&refusal.to_text());
        }
        if self.refusals.is_empty() && !self.lines.is_empty() {
            out.push_str("\nNothing was refused.\n");
        }
        if !self.events.is_empty() {
            out.push_str("\nAudit trail\n");
            for event in &self.events {
                let _ = writeln!(out, "  {}", event_text(event));
            }
        }
        if !self.lines.is_empty() {
            out.push_str("\nLog\n");
            for line in &self.lines {
                let _ = writeln!(out, "  {}", line_text(line));
            }
        }
        if let Some(note) = &self.note {
            let _ = write!(out, "\nThe audit trail was not read: {}", plain(note));
        }
        out.trim_end().to_owned()
    }
}

impl Refusal {
    fn of(fields: &Map<String, Value>) -> Option<Self> {
        let message = text(fields, "message").unwrap_or_default();
        let named = ["error", "reason"].iter().find_map(|it| text(fields, it));
        let check = text(fields, "check");
        let is_login = ["login failed", "login limited"].contains(&message.as_str());
        if check.is_none() && named.is_none() && !is_login {
            return None;
        }
        Some(Self {
            error: named.unwrap_or(message),
            check,
            cause: text(fields, "cause"),
            client: text(fields, "client"),
            received: text(fields, "received"),
            registered: text(fields, "registered"),
        })
    }

    fn advice(&self) -> Option<&'static str> {
        advice(self.check.as_deref().or(self.cause.as_deref()), &self.error)
    }

    fn parts(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("check", self.check.as_deref()),
            ("cause", self.cause.as_deref()),
            ("client", self.client.as_deref()),
            ("received", self.received.as_deref()),
            ("registered", self.registered.as_deref()),
            ("what to do", self.advice()),
        ]
    }

    fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("error".to_owned(), json!(self.error));
        for (name, value) in self.parts() {
            members.insert(name.replace(' ', "_"), json!(value));
        }
        Value::Object(members)
    }

    fn to_text(&self) -> String {
        let mut out = format!("\nRefused: {}\n", plain(&self.error));
        for (name, value) in self.parts() {
            if let Some(value) = value {
                let _ = writeln!(out, "  {name:<10}  {}", plain(value));
            }
        }
        out
    }
}

fn asked_text(fields: &Map<String, Value>) -> String {
    let part = |name: &str| plain(&text(fields, name).unwrap_or_default());
    let mut out = format!("  {} {}", part("method"), part("path"));
    if fields.get("address").is_some_and(|it| !it.is_null()) {
        let _ = write!(out, " from {}", part("address"));
    }
    let _ = writeln!(
        out,
        "\n  answered {} after {} µs at {}",
        part("status"),
        part("microseconds"),
        part("timestamp")
    );
    out
}

fn event_text(event: &AuditEvent) -> String {
    let mut out = format!("{}  {}", moment(event.at), event.kind.as_str());
    for (name, value) in [
        ("user", event.user.as_ref().map(UserId::as_str)),
        ("client", event.client.as_ref().map(ClientId::as_str)),
        ("grant", event.grant.as_ref().map(GrantId::as_str)),
        ("address", event.address.as_deref()),
    ] {
        if let Some(value) = value {
            let _ = write!(out, " {name}={}", plain(value));
        }
    }
    if event.detail.as_object().is_some_and(|it| !it.is_empty()) {
        let _ = write!(out, " {}", plain(&event.detail.to_string()));
    }
    out
}

fn line_text(line: &LogLine) -> String {
    let fields = match line {
        LogLine::Text(text) => return plain(text),
        LogLine::Fields(fields) => fields,
    };
    let part = |name: &str| plain(&text(fields, name).unwrap_or_default());
    let mut out = format!(
        "{} {:>5} {}",
        part("timestamp"),
        part("level"),
        part("message")
    );
    for name in fields
        .keys()
        .filter(|it| !OF_EVERY_LINE.contains(&it.as_str()))
    {
        let _ = write!(out, " {}={}", plain(name), part(name));
    }
    out
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// What a stranger sent must not paint the terminal of whoever reads about it.
fn plain(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(value: Value) -> LogLine {
        LogLine::Fields(serde_json::from_value(value).unwrap())
    }

    fn report(lines: Vec<LogLine>) -> Report {
        Report::new("abc", lines, Vec::new(), None)
    }

    #[test]
    fn a_refusal_tells_what_was_received_what_is_registered_and_what_to_do() {
        let report = report(vec![
            line(json!({
                "message": "authorization request cannot be answered",
                "reason": "redirect_uri is not registered",
                "check": "redirect_uri",
                "client": "web",
                "received": "https://rp.example/call",
                "registered": "https://rp.example/callback",
                "trace_id": "abc",
            })),
            line(json!({
                "message": "answered", "method": "GET", "path": "/oauth2/authorize",
                "status": 400, "microseconds": 812, "trace_id": "abc",
            })),
        ]);
        let text = report.to_text();
        for part in [
            "GET /oauth2/authorize",
            "answered 400",
            "Refused: redirect_uri is not registered",
            "client      web",
            "received    https://rp.example/call\n",
            "registered  https://rp.example/callback",
            "what to do  Register the address exactly",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = report.to_json();
        assert_eq!(
            json["refusals"][0]["registered"],
            "https://rp.example/callback"
        );
        assert_eq!(json["request"]["status"], 400);
    }

    #[test]
    fn a_request_that_was_answered_is_not_called_refused() {
        let report = report(vec![line(json!({ "message": "answered", "status": 200 }))]);
        assert!(report.to_text().contains("Nothing was refused."));
        assert_eq!(report.to_json()["refusals"], json!([]));
    }

    #[test]
    fn c176_what_a_stranger_sent_does_not_paint_the_terminal() {
        let hostile = "x\r\n\u{1b}[31m\u{202e}";
        let report = report(vec![
            line(json!({ "message": hostile, "error": hostile, "received": hostile, hostile: 1 })),
            LogLine::Text(hostile.to_owned()),
        ]);
        let text = report.to_text();
        assert!(!text.contains(['\r', '\u{1b}', '\u{202e}']), "{text:?}");
    }
}
