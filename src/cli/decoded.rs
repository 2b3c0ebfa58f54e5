//! A JWT taken apart for people to read (RFC 7519). Nothing of it is to be believed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::output::moment;
use crate::{
    application::ports::Clock as _, domain::time::Timestamp, infrastructure::clock::SystemClock,
};

/// Claims that are moments.
const MOMENTS: [&str; 5] = ["exp", "iat", "nbf", "auth_time", "updated_at"];

/// Header and claims.
pub(super) struct Decoded {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Decoded {
    /// Takes a token apart; nothing if it is no JWT.
    pub(super) fn of(token: &str) -> Option<Self> {
        let part = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        let mut parts = token.split('.');
        let (header, claims) = (part(parts.next()?)?, part(parts.next()?)?);
        let _signature = parts.next()?;
        parts.next().is_none().then_some(Self { header, claims })
    }

    pub(super) fn json(&self) -> Value {
        json!({ "header": self.header, "claims": self.claims })
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{}\n\n{}",
            claims_text(&self.header),
            claims_text(&self.claims)
        )
    }
}

/// A claim on each line, moments as people read them.
pub(super) fn claims_text(claims: &Map<String, Value>) -> String {
    let now = SystemClock.now();
    let lines: Vec<_> = claims
        .iter()
        .map(|(name, value)| format!("{name:12} {}", shown(name, value, now)))
        .collect();
    lines.join("\n")
}

fn shown(name: &str, value: &Value, now: Timestamp) -> String {
    let at = value.as_i64().map(Timestamp);
    match (value, at) {
        (Value::String(text), _) => text.chars().filter(|c| !c.is_control()).collect(),
        (_, Some(at)) if MOMENTS.contains(&name) => {
            let past = if name == "exp" && at <= now {
                "  (over)"
            } else {
                ""
            };
            format!("{value}  {}{past}", moment(at))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_jwt_is_none() {
        for text in [
            "",
            "a.b",
            "a.b.c",
            "e30.e30",
            "e30.e30.x.y",
            "e30.W10.x",
            "é.é.é",
        ] {
            assert!(Decoded::of(text).is_none(), "{text}");
        }
        assert!(Decoded::of("e30.e30.").is_some());
    }

    #[test]
    fn what_has_expired_says_so_and_no_claim_commands_the_terminal() {
        let claims = json!({ "exp": 1_700_000_000, "name": "\u{1b}[2Jx" });
        let text = claims_text(claims.as_object().unwrap());
        assert!(text.contains("2023-11-14T22:13:20Z  (over)"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
