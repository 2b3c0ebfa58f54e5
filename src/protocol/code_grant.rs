//! RFC 6749 §4.1.3 — the exchange of an authorization code.
//!
//! The binding checks run in oxide-auth's sans-IO machine, up to its issue step. Around it stand
//! guards of our own: the exact `redirect_uri`, our clock, an unknown code as `invalid_grant`, no
//! verifier without a challenge (RFC 9700 §4.8.2).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oxide_auth::{
    code_grant::accesstoken::{AccessToken, Authorization, Input, Output, Request},
    primitives::grant::{Extensions, Grant as MachineGrant},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    error::{ErrorCode, OAuthError},
    pkce::Challenge,
};
use crate::domain::{
    client::Client,
    grant::Grant,
    id::{ClientId, GrantId},
    time::Timestamp,
};

/// What the state store holds under a code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeSlot {
    /// A code that was not used yet.
    Live(Box<CodeRecord>),
    /// What it is swapped for at its first use.
    Spent {
        /// The client that it was issued to.
        client: ClientId,
    },
}

/// What a code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeRecord {
    /// What will be granted.
    pub grant: Grant,
    /// `redirect_uri` of the authorization request.
    pub redirect_uri: String,
    /// PKCE.
    pub challenge: Option<Challenge>,
    /// From when it is worthless.
    pub expires_at: Timestamp,
}

/// The parameters that §4.1.3 compares.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// `code`
    pub code: &'a str,
    /// `redirect_uri`
    pub redirect_uri: &'a str,
    /// `code_verifier`
    pub verifier: Option<&'a str>,
}

/// What an exchange comes to.
#[derive(Debug)]
pub enum Redemption {
    /// Tokens may be issued for this grant.
    Granted(Box<Grant>),
    /// The code was used before: whatever came of it must die (RFC 6749 §4.1.2).
    Replayed {
        /// Whose it was.
        owner: ClientId,
    },
    /// There is nothing under the code, or nothing any more.
    Unknown,
    /// The code belongs to another client.
    Misused(ClientId),
    /// No, for the reason in the cause.
    Rejected(OAuthError),
}

/// The grant that a code becomes. Derived, so that a replay names it even after all else is forgotten.
pub fn grant_id(code: &str) -> GrantId {
    derived(b"countersign grant of code:", code)
}

/// The grant of the tokens that went through the browser beside a code. It exists before the code is
/// redeemed, so it is one of its own; derived too, so that a replay ends both.
pub fn shown_grant_id(code: &str) -> GrantId {
    derived(b"countersign grant beside code:", code)
}

fn derived(purpose: &[u8], code: &str) -> GrantId {
    let digest = Sha256::new()
        .chain_update(purpose)
        .chain_update(code.as_bytes())
        .finalize();
    GrantId::new(URL_SAFE_NO_PAD.encode(digest.get(..24).unwrap_or_default()))
}

/// Decides about an exchange, given what was found under the code.
pub fn redeem(
    exchange: Exchange<'_>,
    slot: Option<CodeSlot>,
    client: &Client,
    now: Timestamp,
) -> Redemption {
    let record = match slot {
        None => return Redemption::Unknown,
        Some(CodeSlot::Spent { client }) => {
            return Redemption::Replayed { owner: client };
        }
        Some(CodeSlot::Live(record)) => record,
    };
    if record.grant.client != client.id {
        return Redemption::Misused(record.grant.client);
    }
    if record.expires_at <= now {
        return Redemption::Rejected(invalid_grant("the code is expired"));
    }
    if record.redirect_uri != exchange.redirect_uri {
        let error = invalid_grant("redirect_uri differs from the authorization request");
        return Redemption::Rejected(error.given(exchange.redirect_uri, [&record.redirect_uri]));
    }
    if let Err(error) = check_pkce(&record, client, exchange.verifier) {
        return Redemption::Rejected(error);
    }
    match run_machine(exchange, &record) {
        Ok(()) => Redemption::Granted(Box::new(record.grant)),
        Err(error) => Redemption::Rejected(error),
    }
}

fn check_pkce(
    record: &CodeRecord,
    client: &Client,
    verifier: Option<&str>,
) -> Result<(), OAuthError> {
    match (&record.challenge, verifier) {
        (Some(challenge), Some(verifier)) if challenge.is_answered_by(verifier) => Ok(()),
        (Some(_), Some(_)) => Err(invalid_grant("code_verifier does not match")),
        (Some(_), None) => Err(invalid_grant("code_verifier is missing")),
        (None, Some(_)) => Err(invalid_grant("code_verifier without a challenge")),
        (None, None) if client.requires_pkce() => Err(invalid_grant("the client requires PKCE")),
        (None, None) => Ok(()),
    }
}

/// Every refusal of a code has this one text; only the log says which check failed.
pub fn invalid_grant(cause: &'static str) -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidGrant,
        "the code or refresh token is invalid, expired, used or revoked",
    )
    .because(cause)
}

/// Runs oxide-auth's token machine to the point where it wants a token issued.
fn run_machine(exchange: Exchange<'_>, record: &CodeRecord) -> Result<(), OAuthError> {
    let client = record.grant.client.as_str();
    let mut machine = AccessToken::new(&View { exchange, client });
    if !matches!(machine.advance(Input::None), Output::Authenticate { client: named, .. } if named == client)
    {
        return Err(invalid_grant("the token machine refused the request"));
    }
    if !matches!(
        machine.advance(Input::Authenticated),
        Output::Recover { .. }
    ) {
        return Err(invalid_grant("the token machine refused the client"));
    }
    let stored = stored_grant(record)
        .ok_or_else(|| invalid_grant("the stored redirect_uri is unreadable"))?;
    if !matches!(
        machine.advance(Input::Recovered(Some(Box::new(stored)))),
        Output::Extend { .. }
    ) {
        return Err(invalid_grant("the token machine refused the grant"));
    }
    match machine.advance(Input::Extended {
        access_extensions: Extensions::new(),
    }) {
        Output::Issue { .. } => Ok(()),
        Output::Authenticate { .. }
        | Output::Recover { .. }
        | Output::Extend { .. }
        | Output::Ok(_)
        | Output::Err(_) => Err(invalid_grant("the token machine would not issue")),
    }
}

/// The record as the machine wants it. Its own clock must never decide, so this never expires.
fn stored_grant(record: &CodeRecord) -> Option<MachineGrant> {
    Some(MachineGrant {
        owner_id: record.grant.subject()?.as_str().to_owned(),
        client_id: record.grant.client.as_str().to_owned(),
        scope: record.grant.scope.to_string().parse().ok()?,
        redirect_uri: record.redirect_uri.parse().ok()?,
        until: chrono::DateTime::<chrono::Utc>::MAX_UTC,
        extensions: Extensions::new(),
    })
}

/// The request of a client that was authenticated already, as the machine wants to see it.
struct View<'a> {
    exchange: Exchange<'a>,
    client: &'a str,
}

impl Request for View<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.exchange.code))
    }

    fn authorization(&self) -> Authorization<'_> {
        Authorization::Username(Cow::Borrowed(self.client))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.exchange.redirect_uri))
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("authorization_code"))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}
