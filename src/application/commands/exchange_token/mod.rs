//! RFC 6749 §3.2 — the token endpoint: one file per grant, one shape for all.
//!
//! **Look, decide, sign, spend, write, look again.** One round trip brings the code or family together
//! with the pulse of the directory. The answer is complete, signatures included, before anything is
//! spent, so that a fault of ours never costs a client its code. After everything is written, a grant
//! that was just made is looked at once more: whoever ended its session, user, client or consent
//! meanwhile either finds the grant or is found by us.

mod authorization_code;
mod client_credentials;
pub mod first_party_login;
pub(super) mod new_grant;
mod refresh_token;

use std::sync::Arc;

use crate::{
    application::{
        Failure, Ports, client_auth,
        commands::end_grant,
        directory::Sight,
        limits::Endpoint,
        ports::state::{Kind, StateKey},
        trail::Origin,
    },
    domain::{
        certificate::Confirmation, client::Client, grant::Grant, id::GrantId, time::Timestamp,
        user::User,
    },
    metrics,
    protocol::{
        capability::Capability,
        client_auth::Credentials,
        error::OAuthError,
        gate::{self, Admission},
        params::Params,
        refresh::RefreshToken,
        token::{TokenRequest, TokenResponse},
    },
};

/// A request of an authenticated client, and what it goes by.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) ports: &'a Ports,
    pub(super) sight: Sight<'a>,
    pub(super) client: Arc<Client>,
    pub(super) origin: &'a Origin,
    /// What access tokens are bound to.
    pub(super) cnf: Option<Confirmation>,
    /// One moment for the whole request: a token never looks younger than the checks it passed.
    pub(super) now: Timestamp,
}

/// Answers a token request.
pub async fn exchange_token(
    ports: &Ports,
    credentials: &Credentials,
    params: &Params,
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
    let now = ports.clock.now();
    let (found, sight) = ports.directory.look(&records(params)).await?;
    let place = (Endpoint::Token, origin);
    let client = client_auth::authenticate(ports, &sight, credentials, place).await;
    let client = match (client, params.fault()) {
        // Whatever was wrong with the client may be the fault's doing.
        (Err(Failure::Refused(_)), Some(fault)) => return Err(OAuthError::from(fault).into()),
        (client, _) => client?,
    };
    let cnf = client_auth::confirmation(&client, credentials)?;
    let call = Call {
        ports,
        sight,
        client,
        origin,
        cnf,
        now,
    };
    match TokenRequest::parse(params) {
        Ok(request) => {
            let features = &ports.settings.features;
            let grant = request.grant_type();
            gate::may_use(&call.client, Capability::Grant(grant), features)?;
            let answered = answer(&call, request, found).await;
            metrics::token_request(grant.as_str(), &answered);
            answered
        }
        Err(error) => {
            authorization_code::notice_replay(&call, params, &found).await?;
            Err(error.into())
        }
    }
}

async fn answer(
    call: &Call<'_>,
    request: TokenRequest,
    found: Vec<Option<Vec<u8>>>,
) -> Result<TokenResponse, Failure> {
    match request {
        TokenRequest::AuthorizationCode {
            code,
            redirect_uri,
            verifier,
            resources,
        } => {
            let exchange = crate::protocol::code_grant::Exchange {
                code: &code,
                redirect_uri: &redirect_uri,
                verifier: verifier.as_deref(),
            };
            authorization_code::redeem(call, exchange, &resources, found).await
        }
        TokenRequest::RefreshToken {
            token,
            scope,
            resources,
        } => {
            let narrowing = refresh_token::Narrowing { scope, resources };
            refresh_token::refresh(call, &token, &narrowing, found).await
        }
        TokenRequest::ClientCredentials { scope, resources } => {
            client_credentials::issue_to_client(call, scope, &resources).await
        }
    }
}

/// The records that the request is about, before anything of it is believed.
fn records(params: &Params) -> Vec<StateKey> {
    match params.get("grant_type") {
        Some("authorization_code") => params
            .get("code")
            .map(|code| vec![StateKey::new(Kind::Code, code)])
            .unwrap_or_default(),
        Some("refresh_token") => params
            .get("refresh_token")
            .and_then(|token| token.parse::<RefreshToken>().ok())
            .map(|token| refresh_token::records(&token))
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Call<'_> {
    /// The gate, with what it needs at hand.
    pub(super) async fn admit(&self, grant: &Grant, way: Capability) -> Result<(), Failure> {
        admit(
            self.ports,
            (&self.sight, &self.client),
            grant,
            way,
            self.now,
        )
        .await
    }
}

/// The gate for what is seen of client and user now.
async fn admit(
    ports: &Ports,
    (sight, client): (&Sight<'_>, &Client),
    grant: &Grant,
    way: Capability,
    now: Timestamp,
) -> Result<(), Failure> {
    let user: Option<Arc<User>> = match grant.subject() {
        Some(user) => sight.user(user).await?,
        None => None,
    };
    let admission = Admission {
        way,
        features: &ports.settings.features,
        client,
        grant,
        record: None,
        user: user.as_deref(),
    };
    gate::may_receive(&admission, now).map_err(OAuthError::into)
}

/// Whether a grant made in the epoch `made_in` was ended, given what was read of its mark.
async fn is_ended(
    sight: &Sight<'_>,
    grant: &GrantId,
    found: bool,
    made_in: &str,
) -> Result<bool, Failure> {
    let marks = [(end_grant::mark(grant), found)];
    Ok(sight.has_ended(&marks, Some(grant), made_in).await?)
}
