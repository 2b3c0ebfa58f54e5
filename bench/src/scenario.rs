//! What is measured, by the numbers of the workload.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::target::RoleName;

/// One operation that is repeated.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// S1: discovery
    Discovery,
    /// S1: the JWK Set
    Jwks,
    /// S1: discovery with If-None-Match, answered 304
    NotModified,
    /// S2: client credentials, basic authentication, JWT signed ES256
    S2,
    /// S3: the same, signed RS256
    S3,
    /// S4: the same, opaque
    S4,
    /// S5a: code and PKCE within a session; ID token ES256, opaque access, refresh
    S5a,
    /// S5b: the same with ID token RS256
    S5b,
    /// S6: from no session, login without a password hash
    #[value(name = "s6-h0")]
    S6H0,
    /// S6: login with argon2id, 19 MiB, 2 passes
    #[value(name = "s6-h1")]
    S6H1,
    /// S6: login with argon2id, 7 MiB, 5 passes
    #[value(name = "s6-hk")]
    S6Hk,
    /// S7a: refresh with rotation and ID token ES256
    S7a,
    /// S7b: the same with ID token RS256
    S7b,
    /// S8: introspection of an opaque token
    #[value(name = "s8-opaque")]
    S8Opaque,
    /// S8: introspection of a JWT
    #[value(name = "s8-jwt")]
    S8Jwt,
    /// S8: introspection of a revoked token
    #[value(name = "s8-inactive")]
    S8Inactive,
    /// S9: userinfo with an opaque token
    #[value(name = "s9-opaque")]
    S9Opaque,
    /// S9: userinfo with a JWT
    #[value(name = "s9-jwt")]
    S9Jwt,
    /// S10: revocation of a fresh token
    S10,
    /// S13: 5 logins, 10 codes, 60 refreshes, 15 introspections, 10 userinfo in a hundred
    S13,
    /// A1: an administrator lists fifty users
    A1,
    /// A2: an administrator looks for users by the beginning of a name
    A2,
    /// A3: an administrator reads one user
    A3,
}

impl Scenario {
    /// All, in the order of the report.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }

    /// Whether it asks the administration API, which no other provider has like this.
    pub(crate) fn administers(self) -> bool {
        matches!(self, Self::A1 | Self::A2 | Self::A3)
    }

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Discovery => "S1 discovery",
            Self::Jwks => "S1 JWKS",
            Self::NotModified => "S1 discovery, If-None-Match",
            Self::S2 => "S2 client credentials, JWT ES256",
            Self::S3 => "S3 client credentials, JWT RS256",
            Self::S4 => "S4 client credentials, opaque",
            Self::S5a => "S5a code in a session, ES256",
            Self::S5b => "S5b code in a session, RS256",
            Self::S6H0 => "S6 login, no hash",
            Self::S6H1 => "S6 login, argon2id 19 MiB",
            Self::S6Hk => "S6 login, argon2id 7 MiB × 5",
            Self::S7a => "S7a refresh, ES256",
            Self::S7b => "S7b refresh, RS256",
            Self::S8Opaque => "S8 introspection, opaque",
            Self::S8Jwt => "S8 introspection, JWT",
            Self::S8Inactive => "S8 introspection, inactive",
            Self::S9Opaque => "S9 userinfo, opaque",
            Self::S9Jwt => "S9 userinfo, JWT",
            Self::S10 => "S10 revocation",
            Self::S13 => "S13 mix",
            Self::A1 => "A1 list 50 users",
            Self::A2 => "A2 search users",
            Self::A3 => "A3 read a user",
        }
    }

    /// Processor time in microseconds that nothing can go below (docs/performance.md).
    pub(crate) fn floor(self) -> Option<f64> {
        Some(match self {
            Self::Discovery | Self::Jwks | Self::NotModified => 9.0,
            Self::S2 => 30.0,
            Self::S3 => 252.0,
            Self::S4 => 12.0,
            Self::S5a => 44.0,
            Self::S5b => 266.0,
            Self::S6H0 => 75.0,
            Self::S6H1 => 12_600.0,
            Self::S6Hk => 10_800.0,
            Self::S7a => 34.0,
            Self::S7b => 256.0,
            Self::S8Jwt => 70.0,
            Self::S8Opaque | Self::S8Inactive | Self::S9Opaque | Self::S9Jwt | Self::S10 => 11.0,
            Self::S13 | Self::A1 | Self::A2 | Self::A3 => return None,
        })
    }

    /// What Countersign should need at most, in microseconds.
    pub(crate) fn target(self) -> Option<f64> {
        Some(match self {
            Self::Discovery | Self::Jwks => 12.0,
            Self::S2 => 62.0,
            Self::S3 => 303.0,
            Self::S5a => 125.0,
            Self::S5b => 345.0,
            Self::S6H1 => 13_200.0,
            Self::S7a => 83.0,
            Self::S7b => 323.0,
            Self::S8Jwt => 100.0,
            Self::S9Jwt => 60.0,
            Self::S4 | Self::S8Opaque | Self::S8Inactive | Self::S9Opaque | Self::S10 => 33.0,
            Self::NotModified
            | Self::S6H0
            | Self::S6Hk
            | Self::S13
            | Self::A1
            | Self::A2
            | Self::A3 => return None,
        })
    }

    /// As which client it acts.
    pub(crate) fn role(self) -> RoleName {
        match self {
            Self::S3 => RoleName::ServiceRs256,
            Self::S4 | Self::S10 => RoleName::ServiceOpaque,
            Self::Discovery | Self::Jwks | Self::NotModified | Self::S2 => RoleName::Service,
            Self::S5b | Self::S7b => RoleName::WebRs256,
            Self::S8Jwt | Self::S9Jwt => RoleName::WebJwt,
            Self::A1 | Self::A2 | Self::A3 => RoleName::Administrator,
            Self::S5a
            | Self::S6H0
            | Self::S6H1
            | Self::S6Hk
            | Self::S7a
            | Self::S8Opaque
            | Self::S8Inactive
            | Self::S9Opaque
            | Self::S13 => RoleName::Web,
        }
    }

    /// The part of the mix that comes as number `turn`: a fixed order in which no part bunches up.
    pub(crate) fn of_mix(turn: u64, login: Option<Self>) -> Self {
        // 37 has no common factor with 100, so a hundred turns meet every slot once.
        match turn.wrapping_mul(37) % 100 {
            0..5 => login.unwrap_or(Self::S5a),
            5..15 => Self::S5a,
            15..75 => Self::S7a,
            75..90 => Self::S8Opaque,
            _ => Self::S9Opaque,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_turns_of_the_mix_have_its_shares() {
        let count = |wanted| {
            (0..100)
                .filter(|turn| Scenario::of_mix(*turn, Some(Scenario::S6H0)) == wanted)
                .count()
        };
        assert_eq!(count(Scenario::S6H0), 5);
        assert_eq!(count(Scenario::S5a), 10);
        assert_eq!(count(Scenario::S7a), 60);
        assert_eq!(count(Scenario::S8Opaque), 15);
        assert_eq!(count(Scenario::S9Opaque), 10);
    }

    #[test]
    fn a_name_is_what_the_command_line_takes_and_the_rows_hold() {
        for scenario in Scenario::all() {
            let spelled = serde_json::to_value(scenario).unwrap();
            let taken = Scenario::from_str(spelled.as_str().unwrap(), false);
            assert_eq!(taken, Ok(scenario));
        }
    }
}
