//! Cookies of ours: the session's, which tower-sessions sends, and one for each pending interaction.
//!
//! Over https every name has the prefix `__Host-`, so no other host can set it (RFC 6265bis §4.1.3.2).

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::protocol::known_device::Device;

/// Interactions whose cookies a browser may hold; beyond them the oldest are removed, or the header
/// would overflow: with these it stays below 5 KiB, of which proxies commonly take 8.
const MAX_INTERACTIONS: usize = 50;
/// What browsers keep a cookie at most (RFC 6265bis §5.5): 400 days.
const DEVICE_SECONDS: u64 = 400 * 24 * 60 * 60;
/// A day.
const PLAYGROUND_SECONDS: u64 = 24 * 60 * 60;

/// How cookies are named and marked.
#[derive(Clone, Debug)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// For an issuer that is reached over https, or not.
    pub fn new(is_https: bool) -> Self {
        Self { secure: is_https }
    }

    /// The name of the session cookie.
    pub fn session_name(&self) -> &'static str {
        if self.secure {
            "__Host-countersign"
        } else {
            "countersign"
        }
    }

    /// Whether cookies carry `Secure`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the browser sent a session cookie.
    pub fn has_session(&self, headers: &HeaderMap) -> bool {
        read(headers).any(|(name, _)| name == self.session_name())
    }

    /// The name of the cookie with the browser's state (OIDC Session Management §3.2).
    pub fn browser_state_name(&self) -> &'static str {
        if self.secure {
            "__Host-countersign-state"
        } else {
            "countersign-state"
        }
    }

    /// Lets our frame on pages of clients see this state, unless it does already.
    pub fn set_browser_state(&self, headers: &HeaderMap, state: &str) -> Option<HeaderValue> {
        let name = self.browser_state_name();
        if read(headers).any(|(known, value)| (known, value) == (name, state)) {
            return None;
        }
        HeaderValue::try_from(format!("{name}={state}{}", self.in_frames())).ok()
    }

    /// Takes the state away: whoever asks our frame learns that something changed.
    pub fn remove_browser_state(&self) -> Option<HeaderValue> {
        let (name, attributes) = (self.browser_state_name(), self.in_frames());
        HeaderValue::try_from(format!("{name}={attributes}; Max-Age=0")).ok()
    }

    /// For scripts, and in frames on pages of others; without https browsers allow only the former.
    fn in_frames(&self) -> &'static str {
        if self.secure {
            "; Path=/; SameSite=None; Secure"
        } else {
            "; Path=/; SameSite=Lax"
        }
    }

    /// Removes the session cookie. The removal of tower-sessions lacks `Secure`, which browsers
    /// ignore for a `__Host-` name.
    pub fn remove_session(&self) -> Option<HeaderValue> {
        self.line(self.session_name(), "", 0)
    }

    /// The secret of an interaction.
    pub fn interaction(&self, headers: &HeaderMap, id: &str) -> Option<String> {
        let wanted = self.interaction_name(id);
        read(headers)
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned())
    }

    /// Sets the secret of a new interaction, and removes the oldest ones where there are too many.
    pub fn set_interaction(
        &self,
        headers: &HeaderMap,
        id: &str,
        secret: &str,
        seconds: u64,
    ) -> Vec<HeaderValue> {
        let prefix = self.interaction_name("");
        let known: Vec<&str> = read(headers)
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(&prefix))
            .collect();
        let surplus = (known.len() + 1).saturating_sub(MAX_INTERACTIONS);
        let removed = known
            .into_iter()
            .take(surplus)
            .filter_map(|name| self.line(name, "", 0));
        removed
            .chain(self.line(&self.interaction_name(id), secret, seconds))
            .collect()
    }

    /// Removes the secret of a finished interaction.
    pub fn remove_interaction(&self, id: &str) -> Option<HeaderValue> {
        self.line(&self.interaction_name(id), "", 0)
    }

    /// What this browser shows of earlier logins.
    pub fn device(&self, headers: &HeaderMap) -> Option<Device> {
        let wanted = self.device_name();
        let mut values = read(headers).filter(|(name, _)| *name == wanted);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Device::parse(value),
            _ => None,
        }
    }

    /// Keeps what this browser may show at later logins.
    pub fn set_device(&self, device: &Device) -> Option<HeaderValue> {
        self.line(self.device_name(), &device.encode(), DEVICE_SECONDS)
    }

    fn device_name(&self) -> &'static str {
        if self.secure {
            "__Host-countersign-device"
        } else {
            "countersign-device"
        }
    }

    /// The secret of this browser in the playground.
    pub fn playground(&self, headers: &HeaderMap) -> Option<String> {
        let wanted = self.playground_name();
        read(headers)
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned())
    }

    /// Sets the secret of this browser in the playground.
    pub fn set_playground(&self, secret: &str) -> Option<HeaderValue> {
        self.line(self.playground_name(), secret, PLAYGROUND_SECONDS)
    }

    /// Takes out of the request what this browser cannot have been given: cookies of ours that come
    /// more than once, of which another host or path wrote one (RFC 6265 §8.6), and names that are
    /// ours only once decoded, to which browsers do not apply the rules of `__Host-`. Returns the
    /// names that came more than once.
    pub fn take_ambiguous(&self, headers: &mut HeaderMap) -> Vec<String> {
        let (mut names, mut ambiguous) = (Vec::new(), Vec::new());
        let mut is_disguised = false;
        for (name, decoded) in entries(headers) {
            if !self.is_ours(&decoded) {
                continue;
            }
            is_disguised |= name != decoded;
            if names.contains(&decoded) {
                if !ambiguous.contains(&decoded) {
                    ambiguous.push(decoded);
                }
            } else {
                names.push(decoded);
            }
        }
        if ambiguous.is_empty() && !is_disguised {
            return Vec::new();
        }
        let ambiguous: Vec<String> = ambiguous.into_iter().map(Cow::into_owned).collect();
        let is_kept = |pair: &&str| {
            let name = name_of(pair);
            let decoded = decoded(name);
            !self.is_ours(&decoded)
                || (name == decoded && !ambiguous.contains(&decoded.to_string()))
        };
        let kept: Vec<HeaderValue> = lines(headers)
            .map(|line| {
                line.split(';')
                    .filter(is_kept)
                    .collect::<Vec<_>>()
                    .join(";")
            })
            .filter_map(|line| HeaderValue::try_from(line).ok())
            .collect();
        headers.remove(header::COOKIE);
        for line in kept {
            headers.append(header::COOKIE, line);
        }
        ambiguous
    }

    /// Removes cookies from the browser, as far as they are ours, unless the answer sets them anew.
    pub fn clear(&self, names: &[String], headers: &mut HeaderMap) {
        for name in names {
            let is_set = headers.get_all(header::SET_COOKIE).iter().any(|line| {
                let line = line.as_bytes();
                line.strip_prefix(name.as_bytes())
                    .is_some_and(|rest| rest.starts_with(b"="))
            });
            if !is_set && let Some(removal) = self.line(name, "", 0) {
                headers.append(header::SET_COOKIE, removal);
            }
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        name.strip_prefix(self.session_name()).is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with("-flow-")
                || matches!(rest, "-device" | "-playground" | "-state")
        })
    }

    fn playground_name(&self) -> &'static str {
        if self.secure {
            "__Host-countersign-playground"
        } else {
            "countersign-playground"
        }
    }

    /// What stands behind a dot is the sealed request, which no cookie need carry.
    fn interaction_name(&self, id: &str) -> String {
        let id = id.split_once('.').map_or(id, |(id, _)| id);
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}countersign-flow-{id}")
    }

    fn line(&self, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let line =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::try_from(line).ok()
    }
}

fn read(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// Every cookie line that anything behind us might read.
fn lines(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
}

/// The name of every cookie, as sent and as the session layer decodes it.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    lines(headers)
        .flat_map(|line| line.split(';'))
        .map(|pair| (name_of(pair), decoded(name_of(pair))))
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name).trim()
}

fn decoded(name: &str) -> Cow<'_, str> {
    percent_decode_str(name).decode_utf8_lossy()
}

/// The token in a form that belongs to the cookie with this secret. It is of no use without the
/// cookie, and the secret cannot be computed from it.
pub fn form_token(secret: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"countersign form token:")
        .chain_update(secret.as_bytes())
        .finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Whether a form's token belongs to the cookie, in constant time.
pub fn is_form_token(secret: Option<&str>, token: Option<&str>) -> bool {
    match (secret, token) {
        (Some(secret), Some(token)) => form_token(secret).as_bytes().ct_eq(token.as_bytes()).into(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn c164_cookies_are_host_bound_secure_hidden_and_lax() {
        let lines = Cookies::new(true).set_interaction(&HeaderMap::new(), "abc", "secret", 60);
        let line = lines.first().unwrap().to_str().unwrap();
        assert_eq!(
            line,
            "__Host-countersign-flow-abc=secret; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure"
        );
    }

    #[test]
    fn old_interactions_give_way_to_new_ones() {
        let cookies = Cookies::new(false);
        let mut headers = HeaderMap::new();
        let sent = (0..70)
            .map(|n| format!("countersign-flow-{n}=s"))
            .collect::<Vec<_>>()
            .join("; ");
        headers.insert(header::COOKIE, sent.parse().unwrap());
        let lines = cookies.set_interaction(&headers, "new", "secret", 60);
        let removed = lines
            .iter()
            .filter(|line| line.to_str().unwrap().contains("Max-Age=0"))
            .count();
        assert_eq!(removed, 70 + 1 - MAX_INTERACTIONS);
        let sent: usize = (0..MAX_INTERACTIONS)
            .filter_map(|_| {
                Cookies::new(true)
                    .set_interaction(&HeaderMap::new(), &"i".repeat(22), &"s".repeat(43), 60)
                    .pop()
            })
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().len() + 2)
            .sum();
        assert!(sent < 5 * 1024, "{sent}");
    }

    #[test]
    fn c139_cookies_that_come_twice_or_in_disguise_are_taken_out() {
        let cookies = Cookies::new(true);
        let clean = "a=1; __Host-countersign=s; a=2; __Host-countersign-flow-x=1; countersign=9";
        for (sent, left, ambiguous) in [
            (&[clean][..], &[clean][..], &[][..]),
            (
                &["a=1; __Host-countersign=s;__Host-countersign=t; b=2"],
                &["a=1; b=2"],
                &["__Host-countersign"],
            ),
            (
                &["__Host-countersign=s", "b=2; __Host-countersign=s"],
                &["", "b=2"],
                &["__Host-countersign"],
            ),
            (
                &["__Host-countersign-flow-x=1; __Host-countersign-flow-x=2; __Host-countersign=s"],
                &[" __Host-countersign=s"],
                &["__Host-countersign-flow-x"],
            ),
            (&["%5F_Host-countersign=s; b=2"], &[" b=2"], &[]),
            (
                &["__Host-countersign=s; __Host-%63ountersign=t"],
                &[""],
                &["__Host-countersign"],
            ),
        ] {
            let mut headers = HeaderMap::new();
            for line in sent {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            assert_eq!(cookies.take_ambiguous(&mut headers), ambiguous, "{sent:?}");
            let kept: Vec<&str> = lines(&headers).collect();
            assert_eq!(kept, left, "{sent:?}");
        }
    }

    #[test]
    fn a_form_token_needs_its_cookie() {
        assert!(is_form_token(Some("s"), Some(&form_token("s"))));
        assert!(!is_form_token(Some("t"), Some(&form_token("s"))));
        assert!(!is_form_token(None, Some(&form_token("s"))));
        assert!(!is_form_token(Some("s"), None));
    }
}
