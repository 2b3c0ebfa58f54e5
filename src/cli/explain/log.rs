//! Lines of the server's log that belong to one request.

use std::io::{self, BufRead, Read as _};

use serde_json::{Map, Value};

/// Bytes of a line at most; what is longer is not ours.
const MOST_BYTES: u64 = 64 * 1024;
/// Lines of one request at most.
const MOST_LINES: usize = 500;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    /// As `log.format = "json"` writes it.
    Fields(Map<String, Value>),
    /// As `compact` writes it.
    Text(String),
}

/// Adds the lines of `input` that carry the trace id.
pub(super) fn find(
    input: &mut dyn BufRead,
    trace: &str,
    found: &mut Vec<LogLine>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while found.len() < MOST_LINES {
        bytes.clear();
        if (&mut *input)
            .take(MOST_BYTES)
            .read_until(b'\n', &mut bytes)?
            == 0
        {
            break;
        }
        let line = String::from_utf8_lossy(&bytes);
        if line.contains(trace) {
            found.extend(read(line.trim_end(), trace));
        }
    }
    Ok(())
}

/// A line of this request. Collectors put things of theirs before ours, such as time and container.
fn read(line: &str, trace: &str) -> Option<LogLine> {
    let json = line.find('{').and_then(|at| line.get(at..));
    if let Some(Ok(fields)) = json.map(serde_json::from_str::<Map<String, Value>>) {
        let fields = unwrapped(fields);
        let is_of = fields.get("trace_id").and_then(Value::as_str) == Some(trace);
        return is_of.then_some(LogLine::Fields(fields));
    }
    let is_of = line
        .split(' ')
        .any(|word| word.strip_prefix("trace_id=") == Some(trace));
    is_of.then(|| LogLine::Text(line.to_owned()))
}

/// Docker's own files and some collectors wrap a line as text into an object of theirs.
fn unwrapped(fields: Map<String, Value>) -> Map<String, Value> {
    let inner = ["log", "MESSAGE", "message"].iter().find_map(|name| {
        let text = fields.get(*name)?.as_str()?;
        serde_json::from_str::<Map<String, Value>>(text).ok()
    });
    inner.unwrap_or(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(text: &str) -> Vec<LogLine> {
        let mut lines = Vec::new();
        find(&mut text.as_bytes(), "abc", &mut lines).unwrap();
        lines
    }

    #[test]
    fn the_lines_of_a_request_are_found_whatever_stands_around_them() {
        let own = r#"{"message":"answered","trace_id":"abc"}"#;
        let wrapped = serde_json::json!({ "log": format!("{own}\n"), "stream": "stderr" });
        let text = format!("{own}\n2026 pod-1 stderr F {own}\n{wrapped}\n");
        let lines = found(&text);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line == &lines[0]), "{lines:?}");
        let compact = found("2026 INFO countersign: done trace_id=abc\n");
        assert!(matches!(&compact[..], [LogLine::Text(_)]));
    }

    #[test]
    fn the_lines_of_others_are_not_though_they_mention_it() {
        let others = r#"{"message":"abc","trace_id":"abcd"}
            {"message":"trace_id=abc","trace_id":"x"}
            2026 INFO countersign: trace_id=abcd
            not a line of ours abc
            {broken abc"#;
        assert_eq!(found(others), []);
        assert_eq!(found(&"abc".repeat(100_000)), []);
    }
}
