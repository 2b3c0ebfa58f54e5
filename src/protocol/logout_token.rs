//! OIDC Back-Channel Logout §2.4 — the logout token; OIDC Front-Channel Logout §3 — the address that a
//! frame loads.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::issuer::Issuer;
use crate::domain::{
    id::{ClientId, SessionId, UserId},
    time::Timestamp,
};

/// `typ` of the header, so that it is taken for nothing else (§2.4).
pub const TYP: &str = "logout+jwt";
/// How long it may be on its way: short, as §2.4 advises.
const LIFETIME: Duration = Duration::from_mins(2);
/// The one event that it tells of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token. There is no `nonce`, so that no client takes it for an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogoutToken {
    iss: String,
    sub: UserId,
    aud: ClientId,
    iat: Timestamp,
    exp: Timestamp,
    jti: String,
    sid: SessionId,
    events: Map<String, Value>,
}

impl LogoutToken {
    /// Tells `client` that `session` of `user` has ended.
    pub fn new(
        issuer: &Issuer,
        client: &ClientId,
        (user, session): (&UserId, &SessionId),
        (id, now): (String, Timestamp),
    ) -> Self {
        Self {
            iss: issuer.as_str().to_owned(),
            sub: user.clone(),
            aud: client.clone(),
            iat: now,
            exp: now.plus(LIFETIME),
            jti: id,
            sid: session.clone(),
            events: [(EVENT.to_owned(), json!({}))].into_iter().collect(),
        }
    }
}

/// The registered address with `iss` and `sid`, which keep others from ending a session by it.
pub fn frame(registered: &str, issuer: &Issuer, session: &SessionId) -> Option<String> {
    let mut url = Url::parse(registered).ok()?;
    url.query_pairs_mut()
        .append_pair("iss", issuer.as_str())
        .append_pair("sid", session.as_str());
    Some(url.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_logout_token_has_what_the_specification_names_and_no_nonce() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let token = LogoutToken::new(
            &issuer,
            &ClientId::new("c"),
            (&UserId::new("u"), &SessionId::new("s")),
            ("j".into(), Timestamp(1000)),
        );
        assert_eq!(
            serde_json::to_value(token).unwrap(),
            json!({
                "iss": "https://id.example", "sub": "u", "aud": "c", "iat": 1000, "exp": 1120, "jti": "j", "sid": "s",
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            })
        );
    }

    #[test]
    fn a_frame_keeps_the_query_that_is_registered() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let url = frame(
            "https://rp.example/out?a=1",
            &issuer,
            &SessionId::new("s/1"),
        )
        .unwrap();
        assert_eq!(
            url,
            "https://rp.example/out?a=1&iss=https%3A%2F%2Fid.example&sid=s%2F1"
        );
    }
}
