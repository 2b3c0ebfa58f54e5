//! Claims that a client asked for by name (OIDC Core §5.5), as a grant keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is asked of each claim, by its name.
pub type Demands = BTreeMap<String, Demand>;

/// What is asked of one claim (§5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// Whether the client needs it for what the user wants to do. Its absence is no error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// The values that serve the client; any where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl Demand {
    /// Whether this value serves the client.
    pub fn is_served_by(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }
}

/// The claims that were granted by name, by where they are delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrantedClaims {
    /// At the userinfo endpoint.
    #[serde(skip_serializing_if = "Demands::is_empty")]
    pub userinfo: Demands,
    /// In ID tokens.
    #[serde(skip_serializing_if = "Demands::is_empty")]
    pub id_token: Demands,
}

impl GrantedClaims {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }

    /// Their names, each once or twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let demanded = self.userinfo.keys().chain(self.id_token.keys());
        demanded.map(String::as_str)
    }
}

/// What serves `demands` among `claims`.
pub fn serving(demands: &Demands, claims: Map<String, Value>) -> Map<String, Value> {
    let serves = |name: &String, value: &Value| {
        demands
            .get(name)
            .is_some_and(|demand| demand.is_served_by(value))
    };
    claims
        .into_iter()
        .filter(|(name, value)| serves(name, value))
        .collect()
}
