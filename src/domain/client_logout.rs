//! How a client hears that a session has ended (OIDC Front-Channel Logout §2, OIDC Back-Channel
//! Logout §2.2).

use serde::{Deserialize, Serialize};

/// Where a client is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientLogout {
    /// `frontchannel_logout_uri`: loaded in a frame of the page that ends the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_uri: Option<String>,
    /// `backchannel_logout_uri`: where logout tokens are posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_uri: Option<String>,
}
