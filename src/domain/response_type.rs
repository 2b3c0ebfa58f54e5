//! OAuth 2.0 Multiple Response Type Encoding Practices §3–§5 — what an authorization response carries.
//!
//! A response type is a set: everything that depends on one asks for its parts, and nothing knows one
//! by its name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    client::{GrantType, ResponseMode},
    names::UnknownName,
};

/// The parts that are asked for; none of them is `response_type=none` (§4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct ResponseType {
    code: bool,
    id_token: bool,
    token: bool,
}

impl ResponseType {
    /// The code flow, the one that is advised (RFC 9700 §2.1.2).
    pub const CODE: Self = Self::of(true, false, false);

    /// Every set, the advised one first.
    pub const ALL: &'static [Self] = &[
        Self::CODE,
        Self::of(true, true, false),
        Self::of(true, false, true),
        Self::of(true, true, true),
        Self::of(false, true, false),
        Self::of(false, true, true),
        Self::of(false, false, false),
    ];

    const fn of(code: bool, id_token: bool, token: bool) -> Self {
        Self {
            code,
            id_token,
            token,
        }
    }

    /// The registered name (§8), which lists the parts in alphabetical order.
    pub fn as_str(self) -> &'static str {
        match (self.code, self.id_token, self.token) {
            (true, false, false) => "code",
            (true, true, false) => "code id_token",
            (true, false, true) => "code token",
            (true, true, true) => "code id_token token",
            (false, true, false) => "id_token",
            (false, true, true) => "id_token token",
            // OpenID Connect has no use for the bare `token`, which `parse` refuses.
            (false, false, _) => "none",
        }
    }

    /// Whether a code is issued.
    pub fn has_code(self) -> bool {
        self.code
    }

    /// Whether the response itself carries an ID token.
    pub fn has_id_token(self) -> bool {
        self.id_token
    }

    /// Whether the response itself carries an access token.
    pub fn has_token(self) -> bool {
        self.token
    }

    /// Whether the browser gets to see a token.
    pub fn shows_tokens(self) -> bool {
        self.id_token || self.token
    }

    /// Whether an access token comes of it, now or by the code. Without one, the ID token carries the
    /// claims about the user (OIDC Core §5.4).
    pub fn leads_to_userinfo(self) -> bool {
        self.code || self.token
    }

    /// The mode where none is asked for (§2.1, §5).
    pub fn default_mode(self) -> ResponseMode {
        if self.shows_tokens() {
            ResponseMode::Fragment
        } else {
            ResponseMode::Query
        }
    }

    /// Whether it may travel so: tokens never in a query, which logs and histories keep (§5).
    pub fn may_travel_by(self, mode: ResponseMode) -> bool {
        mode != ResponseMode::Query || !self.shows_tokens()
    }

    /// What a client must have registered for it (OIDC Registration §2).
    pub fn grant_types(self) -> impl Iterator<Item = GrantType> {
        [
            self.code.then_some(GrantType::AuthorizationCode),
            self.shows_tokens().then_some(GrantType::Implicit),
        ]
        .into_iter()
        .flatten()
    }
}

impl FromStr for ResponseType {
    type Err = UnknownName;

    /// In any order of the parts, each once (§5, RFC 6749 §3.1.1).
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        if text == "none" {
            return Ok(Self::of(false, false, false));
        }
        let mut found = Self::of(false, false, false);
        for part in text.split(' ') {
            let flag = match part {
                "code" => &mut found.code,
                "id_token" => &mut found.id_token,
                "token" => &mut found.token,
                _ => return Err(UnknownName),
            };
            if std::mem::replace(flag, true) {
                return Err(UnknownName);
            }
        }
        if found == Self::of(false, false, true) {
            return Err(UnknownName);
        }
        Ok(found)
    }
}

impl TryFrom<String> for ResponseType {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

impl From<ResponseType> for &'static str {
    fn from(response_type: ResponseType) -> Self {
        response_type.as_str()
    }
}

impl fmt::Display for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ResponseType {
    /// Its place in [`Self::ALL`].
    fn rank(self) -> usize {
        Self::ALL
            .iter()
            .position(|known| *known == self)
            .unwrap_or_default()
    }
}

impl PartialOrd for ResponseType {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResponseType {
    /// As in [`Self::ALL`], so that lists begin with what is advised.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_is_read_in_any_order_and_written_in_one() {
        for known in ResponseType::ALL {
            let mut parts: Vec<&str> = known.as_str().split(' ').collect();
            parts.reverse();
            assert_eq!(parts.join(" ").parse::<ResponseType>().unwrap(), *known);
            assert_eq!(known.as_str().parse::<ResponseType>().unwrap(), *known);
        }
    }

    #[test]
    fn what_is_no_set_of_parts_is_refused() {
        for text in [
            "",
            "token",
            "code code",
            "code  id_token",
            "none code",
            "CODE",
            "code,token",
        ] {
            assert!(text.parse::<ResponseType>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn tokens_never_travel_in_a_query() {
        for known in ResponseType::ALL {
            assert_eq!(
                known.may_travel_by(ResponseMode::Query),
                !known.has_token() && !known.has_id_token()
            );
            assert!(known.may_travel_by(known.default_mode()), "{known}");
        }
    }
}
