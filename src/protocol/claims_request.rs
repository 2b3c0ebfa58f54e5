//! OIDC Core §5.5 — the `claims` parameter: claims asked for one by one.
//!
//! Claims that this server does not know, or that the client is not registered to see, are ignored
//! (§5.5). `sub` and `acr` with values are requirements (§5.5.1, §5.5.1.1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::{ErrorCode, OAuthError},
    userinfo,
};
use crate::domain::{
    claim_demand::{Demand, Demands, GrantedClaims},
    id::UserId,
    scope::Scope,
};

/// A longer text asks for more than there is, bytes.
const MOST: usize = 4 * 1024;
/// More values of one claim are no choice.
const MOST_VALUES: usize = 20;

/// What a request asks for by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// Claims about the user.
    pub granted: GrantedClaims,
    /// Who the user must be; whoever where empty.
    pub subjects: Vec<Value>,
    /// What the authentication must have reached; anything where empty.
    pub acr: Vec<Value>,
}

impl ClaimsRequest {
    /// Reads the parameter of a client that may ask for `allowed`.
    pub fn parse(text: &str, allowed: &Scope) -> Result<Self, OAuthError> {
        if text.len() > MOST {
            return Err(invalid("the claims parameter is too long"));
        }
        let members: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| invalid("the claims parameter is not a JSON object"))?;
        let userinfo = demands(members.get("userinfo"))?;
        let id_token = demands(members.get("id_token"))?;
        let subjects = [&userinfo, &id_token].map(|it| values(it, "sub", |_| true));
        let acr = values(&id_token, "acr", |demand| demand.essential);
        Ok(Self {
            granted: GrantedClaims {
                userinfo: known(userinfo, allowed),
                id_token: known(id_token, allowed),
            },
            subjects: subjects.concat(),
            acr,
        })
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.subjects.is_empty() && self.acr.is_empty()
    }

    /// Whether the answer may be about this user.
    pub fn may_be_about(&self, user: &UserId) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|it| it == user.as_str())
    }

    /// Whether an authentication of this class serves.
    pub fn is_served_by(&self, acr: &str) -> bool {
        self.acr.is_empty() || self.acr.iter().any(|it| it == acr)
    }
}

/// The values of a claim that are a requirement.
fn values(demands: &Demands, name: &str, is_required: impl Fn(&Demand) -> bool) -> Vec<Value> {
    let demand = demands.get(name).filter(|demand| is_required(demand));
    demand.map(|it| it.values.clone()).unwrap_or_default()
}

/// One member of the parameter (§5.5): absent and null ask for nothing.
fn demands(member: Option<&Value>) -> Result<Demands, OAuthError> {
    match member {
        None | Some(Value::Null) => Ok(Demands::new()),
        Some(Value::Object(claims)) => claims
            .iter()
            .map(|(name, asked)| Ok((name.clone(), demand(asked)?)))
            .collect(),
        Some(_) => Err(invalid("a member of the claims parameter is not an object")),
    }
}

/// How one claim is asked for (§5.5.1).
fn demand(asked: &Value) -> Result<Demand, OAuthError> {
    let malformed = || invalid("a claim in the claims parameter is asked for in an unknown way");
    let asked = match asked {
        Value::Null => return Ok(Demand::default()),
        Value::Object(asked) => asked,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(malformed());
        }
    };
    let essential = match asked.get("essential") {
        None => false,
        Some(flag) => flag.as_bool().ok_or_else(malformed)?,
    };
    let values = match (asked.get("value"), asked.get("values")) {
        (None, None) => Vec::new(),
        (Some(value), None) => vec![value.clone()],
        (None, Some(Value::Array(values))) if !values.is_empty() && values.len() <= MOST_VALUES => {
            values.clone()
        }
        (Some(_) | None, Some(_)) => return Err(malformed()),
    };
    Ok(Demand { essential, values })
}

/// Only claims about users that a scope of the client covers.
fn known(demands: Demands, allowed: &Scope) -> Demands {
    demands
        .into_iter()
        .filter(|(name, _)| is_allowed(name, allowed))
        .collect()
}

/// Whether a client that may ask for `allowed` may see this claim.
pub fn is_allowed(claim: &str, allowed: &Scope) -> bool {
    userinfo::scope_of(claim).is_some_and(|scope| allowed.contains(scope))
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<ClaimsRequest, ErrorCode> {
        let allowed = "openid email profile".parse().unwrap();
        ClaimsRequest::parse(text, &allowed).map_err(|error| error.code)
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let asked = parse(
            r#"{"userinfo": {"given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
                "picture": null, "http://example.info/claims/groups": null},
                "id_token": {"auth_time": {"essential": true},
                "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}"#,
        )
        .unwrap();
        let names: Vec<&str> = asked.granted.names().collect();
        assert_eq!(names, ["email", "given_name", "nickname", "picture"]);
        assert!(asked.granted.userinfo["email"].essential);
        assert!(asked.acr.is_empty(), "a voluntary acr is a wish");
    }

    #[test]
    fn what_the_client_may_not_see_is_ignored() {
        let asked = parse(r#"{"userinfo": {"phone_number": null, "sub": null, "iss": null}}"#);
        assert!(asked.unwrap().is_empty());
    }

    #[test]
    fn sub_and_an_essential_acr_are_requirements() {
        let asked = parse(
            r#"{"id_token": {"sub": {"value": "u"}, "acr": {"essential": true, "values": ["a", "b"]}}}"#,
        )
        .unwrap();
        assert!(asked.may_be_about(&UserId::new("u")) && !asked.may_be_about(&UserId::new("v")));
        assert!(asked.is_served_by("b") && !asked.is_served_by("c"));
    }

    #[test]
    fn whatever_is_no_claims_request_is_refused() {
        let long = format!(r#"{{"userinfo": {{"{}": null}}}}"#, "x".repeat(MOST));
        for text in [
            "",
            "[]",
            "null",
            "{",
            r#"{"userinfo": []}"#,
            r#"{"id_token": {"email": true}}"#,
            r#"{"id_token": {"email": {"essential": "yes"}}}"#,
            r#"{"id_token": {"email": {"values": "a"}}}"#,
            r#"{"id_token": {"email": {"values": []}}}"#,
            r#"{"id_token": {"email": {"value": 1, "values": [1]}}}"#,
            long.as_str(),
        ] {
            assert_eq!(parse(text), Err(ErrorCode::InvalidRequest), "{text}");
        }
    }
}
