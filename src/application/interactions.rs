//! Authorization requests that wait for their users.
//!
//! Anybody can begin one, so one that was only begun costs the server nothing (ADR 32): the request
//! travels sealed in the address of the page that asks, and opens only together with the secret in
//! the cookie of the browser that began it. The state store hears of it once somebody has proved who
//! they are: what happened within it, and that it is over.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    Failure, Ports,
    ports::{
        Place,
        state::{Kind, StateError, StateKey},
    },
    state::{self, Stored},
};
use crate::{
    domain::{
        id::{ClientId, UserId},
        secret::SecretDigest,
        time::Timestamp,
    },
    protocol::{
        authentication::Progress,
        authorization::AuthorizationRequest,
        error::{ErrorCode, OAuthError},
        response_mode::RedirectTarget,
    },
};

/// Lost races for one interaction until we give up.
const MAX_UPDATE_ATTEMPTS: usize = 10;
/// Characters of a ticket at most: with the path in front it must fit into the line of 8 KiB that we,
/// and the proxies in front of us, read at most.
const MAX_TICKET: usize = 7_000;
/// What is noted lives so much longer than the interaction: clocks of nodes and store differ.
const MARGIN: std::time::Duration = std::time::Duration::from_mins(1);

/// A request that waits for its user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interaction {
    /// What was asked.
    pub request: AuthorizationRequest,
    /// Where the answer goes.
    pub target: RedirectTarget,
    /// The subject of a valid `id_token_hint`.
    pub hinted: Option<UserId>,
    /// What happened so far.
    #[serde(skip)]
    pub progress: Progress,
    /// Digest of the secret in the browser's cookie.
    browser: SecretDigest,
    /// From when it is forgotten.
    expires_at: Timestamp,
}

/// Names an interaction.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// An identifier, and behind a dot the sealed request. It may stand in URLs.
    pub id: String,
    /// The application that waits.
    pub client: ClientId,
    /// The secret for the browser's cookie, if it was just made.
    pub secret: Option<String>,
}

/// Why an interaction cannot go on in this browser.
#[derive(Debug, thiserror::Error)]
pub enum InteractionError {
    /// It is finished, too old, or never was.
    #[error("the interaction is over")]
    Over,
    /// It was begun in another browser.
    #[error("the interaction belongs to another browser")]
    Foreign,
    /// Nothing to do with the browser.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StateError> for InteractionError {
    fn from(error: StateError) -> Self {
        Self::Failure(error.into())
    }
}

/// An interaction as it was found.
pub struct Found {
    /// The interaction.
    pub record: Interaction,
    /// What was noted, to be replaced if nobody else has changed it in between.
    noted: Option<Stored<Progress>>,
}

impl Interaction {
    /// One that begins now, in the browser that keeps `secret`.
    pub(super) fn begin(
        ports: &Ports,
        (request, target): (AuthorizationRequest, RedirectTarget),
        hinted: Option<UserId>,
        secret: &str,
    ) -> Self {
        Self {
            request,
            target,
            hinted,
            progress: Progress::default(),
            browser: SecretDigest::of(secret),
            expires_at: ports.clock.now().plus(ports.settings.lifetimes.interaction),
        }
    }

    /// The identifier under which [`find`] finds it. What can be had from elsewhere is left out; what
    /// is too long even then is refused.
    pub(super) fn seal(&self, ports: &Ports) -> Result<String, Failure> {
        let mut slim = self.clone();
        slim.request.redirect_uri.clear();
        // Its subject is known by now.
        slim.request.id_token_hint = None;
        let text = serde_json::to_vec(&slim).map_err(|_| StateError::Corrupt)?;
        let name = ports.identifier();
        let sealed = ports.sealer.seal(&place(&name), &text);
        let id = format!("{name}.{}", URL_SAFE_NO_PAD.encode(sealed));
        if id.len() > MAX_TICKET {
            let description = "the parameters are too long to be kept until the user has decided";
            return Err(OAuthError::new(ErrorCode::InvalidRequest, description).into());
        }
        Ok(id)
    }

    fn open(ports: &Ports, id: &str) -> Option<Self> {
        let (name, sealed) = id.split_once('.')?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let text = ports.sealer.open(&place(name), &sealed).ok()?;
        let mut interaction: Self = serde_json::from_slice(&text).ok()?;
        interaction.request.redirect_uri = interaction.target.uri().to_owned();
        Some(interaction)
    }
}

/// The interaction of this browser.
pub async fn find(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
) -> Result<Found, InteractionError> {
    let mut record = Interaction::open(ports, id).ok_or(InteractionError::Over)?;
    if record.expires_at <= ports.clock.now() {
        return Err(InteractionError::Over);
    }
    let found = ports.state.get_many(&[noted(id), over(id)]).await?;
    let mut found = found.into_iter();
    let noted = found.next().flatten().map(Stored::of).transpose()?;
    // Before the browser is looked at: it has lost the cookie of what it has finished.
    if found.next().flatten().is_some() {
        return Err(InteractionError::Over);
    }
    if !secret.is_some_and(|secret| record.browser.matches(secret)) {
        return Err(InteractionError::Foreign);
    }
    if let Some(noted) = &noted {
        record.progress = Progress::clone(&noted.record);
    }
    Ok(Found { record, noted })
}

/// Changes the progress of an interaction, whatever other tabs do to it meanwhile. Only for what
/// somebody did who has proved who they are: from here on it costs memory.
pub(super) async fn advance(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    change: impl Fn(&mut Progress),
) -> Result<(), InteractionError> {
    for _ in 0..MAX_UPDATE_ATTEMPTS {
        let Found { record, noted: old } = find(ports, id, secret).await?;
        let mut next = record.progress.clone();
        change(&mut next);
        let (state, key) = (&*ports.state, noted(id));
        let ttl = record.expires_at.since(ports.clock.now()) + MARGIN;
        let is_written = match &old {
            Some(old) => state::replace_record(state, &key, old, &next, ttl).await?,
            None => state::add_record(state, &key, &next, ttl).await?,
        };
        if is_written {
            return Ok(());
        }
    }
    Err(InteractionError::Failure(Failure::Unavailable(
        "the interaction",
        None,
    )))
}

/// Ends an interaction. `Over` for all but the first who try: whoever ends it answers, and a second
/// tab that comes later finds nothing.
pub(super) async fn finish(
    ports: &Ports,
    id: &str,
    interaction: &Interaction,
) -> Result<(), InteractionError> {
    let ttl = interaction.expires_at.since(ports.clock.now()) + MARGIN;
    if ports.state.add(&over(id), b"1", ttl).await? {
        Ok(())
    } else {
        Err(InteractionError::Over)
    }
}

/// It lives in no table, but what was sealed for one does not open here.
fn place(name: &str) -> Place<'_> {
    Place {
        table: "interactions",
        column: "request",
        row: name,
    }
}

/// Where it is noted what happened.
fn noted(id: &str) -> StateKey {
    StateKey::new(Kind::Interaction, name_of(id))
}

/// Where it is noted that it is over.
fn over(id: &str) -> StateKey {
    StateKey::new(Kind::Interaction, &format!("over\0{}", name_of(id)))
}

/// What no other interaction has, however the rest is spelled.
fn name_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(name, _)| name)
}
