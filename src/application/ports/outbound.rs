//! Requests to addresses that clients registered.

use async_trait::async_trait;
use url::Url;

use super::SendError;

/// Reaches servers of clients, and nothing inside the operator's network that was not opened.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Posts a form and waits for a success. Follows no redirect, reads no more than a little, and ends
    /// in bounded time.
    async fn post_form(&self, to: &str, fields: &[(&str, &str)]) -> Result<(), SendError>;

    /// What is at this address, if it is no more than `most` bytes. Follows no redirect, and ends in
    /// bounded time.
    async fn get(&self, from: &str, most: usize) -> Result<Vec<u8>, SendError>;

    /// Whether this address would not be reached whatever its name resolves to: plain http, or a
    /// private address. Asked at registration, so that a client learns it there.
    fn refuses(&self, url: &Url) -> bool;
}
