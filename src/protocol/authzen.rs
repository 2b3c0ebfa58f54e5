//! OpenID AuthZEN Authorization API 1.0 — access evaluation, for policy enforcement points that ask in
//! the words of that specification.
//!
//! Supported: one evaluation and many with defaults and the three semantics (§6, §7), metadata (§9).
//! A subject of type `user` is one of ours by identifier, one of type `access_token` whoever it was issued
//! to. Action `read` on the resource `42` of type `document` is the permission `document:read:42`;
//! `properties.audience` of a resource names the API. Not offered: the search endpoints.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{issuer::Issuer, metadata::paths};
use crate::domain::decision::{Decision, Reason};

/// Who (§5.1). Members that are not known are ignored throughout (§10.1.1).
#[derive(Clone, Debug, Deserialize)]
pub struct Subject {
    /// What kind of one.
    pub r#type: String,
    /// Which one of them.
    pub id: String,
}

/// On what (§5.2).
#[derive(Clone, Debug, Deserialize)]
pub struct Resource {
    /// What kind of thing.
    pub r#type: String,
    /// Which one of them.
    pub id: String,
    /// More about it.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// What is done (§5.3).
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// Its name.
    pub name: String,
}

/// The members of one evaluation, each of which may be missing where there is a default.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Tuple {
    /// Who.
    pub subject: Option<Subject>,
    /// What is done.
    pub action: Option<Action>,
    /// On what.
    pub resource: Option<Resource>,
}

/// The body of a request for many evaluations (§7.1).
#[derive(Clone, Debug, Deserialize)]
pub struct Evaluations {
    /// What each evaluation has where it does not say otherwise.
    #[serde(flatten)]
    pub defaults: Tuple,
    /// One after the other. Absent or empty, the defaults are the one evaluation.
    #[serde(default)]
    pub evaluations: Vec<Tuple>,
    /// How they are executed.
    #[serde(default)]
    pub options: Options,
}

/// How evaluations are executed (§7.1.2).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Options {
    /// When to stop.
    #[serde(default)]
    pub evaluations_semantic: Semantic,
}

/// When to stop (§7.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Semantic {
    /// After the last one.
    #[default]
    ExecuteAll,
    /// After the first one that is denied.
    DenyOnFirstDeny,
    /// After the first one that is permitted.
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether an evaluation with this outcome is the last one.
    pub fn stops(self, allowed: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !allowed,
            Self::PermitOnFirstPermit => allowed,
        }
    }
}

/// One evaluation with everything that it needs.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Who.
    pub subject: Subject,
    /// What is done.
    pub action: Action,
    /// On what.
    pub resource: Resource,
}

impl Tuple {
    /// The evaluation, completed by `defaults`; the name of what is missing otherwise (§10.1.1).
    pub fn complete(&self, defaults: &Self) -> Result<Evaluation, &'static str> {
        let subject = self.subject.as_ref().or(defaults.subject.as_ref());
        let action = self.action.as_ref().or(defaults.action.as_ref());
        let resource = self.resource.as_ref().or(defaults.resource.as_ref());
        Ok(Evaluation {
            subject: subject.ok_or("subject")?.clone(),
            action: action.ok_or("action")?.clone(),
            resource: resource.ok_or("resource")?.clone(),
        })
    }
}

impl Evaluation {
    /// The permission that it asks for. A name with `*` or a colon asks for none: nobody may be made to
    /// ask for more than one thing.
    pub fn permission(&self) -> Option<String> {
        let is_plain = |text: &str| !text.is_empty() && !text.contains([':', '*']);
        let (kind, action) = (&self.resource.r#type, &self.action.name);
        let id = &self.resource.id;
        (is_plain(kind) && is_plain(action) && !id.is_empty() && id != "*")
            .then(|| format!("{kind}:{action}:{id}"))
    }

    /// The API where it is asked for.
    pub fn audience(&self) -> Option<&str> {
        self.resource.properties.get("audience")?.as_str()
    }
}

/// A decision (§5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    decision: bool,
    context: Value,
}

impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        Self {
            decision: decision.allowed,
            context: json!({ "reason": decision.reason }),
        }
    }
}

impl From<Reason> for Answer {
    fn from(reason: Reason) -> Self {
        Decision::from(reason).into()
    }
}

impl Answer {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        self.decision
    }
}

/// The metadata document (§9.1).
pub fn metadata(issuer: &Issuer) -> Value {
    json!({
        "policy_decision_point": issuer.as_str(),
        "access_evaluation_endpoint": issuer.url(paths::ACCESS_EVALUATION),
        "access_evaluations_endpoint": issuer.url(paths::ACCESS_EVALUATIONS),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn evaluation(kind: &str, action: &str, id: &str) -> Option<String> {
        let tuple: Tuple = serde_json::from_value(json!({
            "subject": { "type": "user", "id": "u" },
            "action": { "name": action },
            "resource": { "type": kind, "id": id },
        }))
        .unwrap();
        tuple.complete(&Tuple::default()).unwrap().permission()
    }

    #[test]
    fn an_evaluation_asks_for_one_permission_at_one_resource() {
        assert_eq!(
            evaluation("document", "read", "42").unwrap(),
            "document:read:42"
        );
        assert_eq!(
            evaluation("document", "read", "urn:x:1").unwrap(),
            "document:read:urn:x:1"
        );
        for (kind, action, id) in [
            ("*", "read", "1"),
            ("a:b", "c", "1"),
            ("a", "*", "1"),
            ("a", "b", "*"),
            ("", "b", "1"),
            ("a", "b", ""),
        ] {
            assert_eq!(evaluation(kind, action, id), None, "{kind} {action} {id}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let tuple: Tuple = serde_json::from_value(json!({ "action": { "name": "read" } })).unwrap();
        assert_eq!(tuple.complete(&Tuple::default()).unwrap_err(), "subject");
    }
}
