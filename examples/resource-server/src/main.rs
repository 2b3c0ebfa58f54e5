//! An API that accepts access tokens of an OpenID provider.
//!
//! It never talks to the provider about a token: the signature is verified with the provider's
//! published keys (`jwks.rs`), the claims by RFC 9068 (`token.rs`), and refusals follow RFC 6750
//! (`refusal.rs`). It depends on nothing of Countersign.

mod api;
mod jwks;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::{env, sync::Arc, time::Duration};

use jwks::Jwks;
use token::Verifier;

/// New signing keys are announced long before use, so looking for unknown ones can wait a little.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let issuer = setting("ISSUER", "http://localhost:8080");
    let audience = setting("AUDIENCE", "http://localhost:7000");
    let listener = tokio::net::TcpListener::bind(setting("LISTEN", "127.0.0.1:7000")).await?;

    println!(
        "resource server on http://{}, accepting tokens from {issuer} for {audience}",
        listener.local_addr()?
    );
    let verifier = Verifier::new(Jwks::new(issuer, MIN_INTERVAL)?, &audience);
    axum::serve(listener, api::router(Arc::new(verifier))).await?;
    Ok(())
}
