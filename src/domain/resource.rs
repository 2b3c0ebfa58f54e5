//! Resource servers, named by their resource indicator (RFC 8707).

use serde::{Deserialize, Serialize};

use super::{client::AccessTokenFormat, id::ClientId, scope::Scope};

/// A protected API that accepts our access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceServer {
    /// The resource indicator: an absolute URI without fragment, also the `aud` of its tokens.
    pub identifier: String,
    /// For people.
    pub name: String,
    /// Scope values that mean something there. Tokens for it carry no others.
    pub scope: Scope,
    /// The token format it wants; the client's where absent.
    pub access_token_format: Option<AccessTokenFormat>,
    /// The client as which it authenticates for introspection (RFC 7662 §2.1).
    pub introspection_client: Option<ClientId>,
}
