//! RFC 6749 §4.1.1, OIDC Core §3.1.2.1 — the authorization request.
//!
//! Parsed once, in three steps: [`RawAuthorization`] is syntax, [`RawAuthorization::bind`] finds the
//! one address that may receive an answer, [`Bound::accept`] checks the rest in order.
//!
//! Supported: the response types and modes of discovery, PKCE (RFC 7636), `prompt`,
//! `max_age`, `claims`, `login_hint`, `id_token_hint`, `acr_values`, `nonce`, `resource` (RFC 8707); `display`,
//! `ui_locales`, `claims_locales` and unknown parameters are accepted and not acted on.
//! Request objects are resolved before (`request_object.rs`). Refused: `registration`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    capability::{Capability, Features},
    claims_request::ClaimsRequest,
    error::{Cause, ErrorCode, OAuthError},
    params::Params,
    pkce::Challenge,
    resource,
    response_mode::RedirectTarget,
};
use crate::domain::{
    client::{Client, GrantType, ResponseMode},
    id::ClientId,
    redirect_uri::RedirectUri,
    response_type::ResponseType,
    scope::Scope,
};

/// An authorization request of which only the syntax is known.
#[derive(Clone, Debug)]
pub struct RawAuthorization {
    params: Params,
}

/// Why a request is answered by a page: there is no address that may receive a redirect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// `client_id` is missing or ambiguous.
    #[error("client_id is missing or included more than once")]
    NoClient,
    /// No active client has this `client_id`.
    #[error("the client is unknown")]
    UnknownClient(Box<Cause>),
    /// `redirect_uri` is missing or ambiguous.
    #[error("redirect_uri is missing or included more than once")]
    NoRedirectUri,
    /// `redirect_uri` is not registered for the client.
    #[error("redirect_uri is not registered")]
    ForeignRedirectUri(Box<Cause>),
}

impl Unanswerable {
    /// What was received and what is registered.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::UnknownClient(cause) | Self::ForeignRedirectUri(cause) => Some(cause),
            Self::NoClient | Self::NoRedirectUri => None,
        }
    }

    /// No active client has this identifier.
    pub fn unknown(client: &ClientId) -> Self {
        Self::UnknownClient(Cause::unexpected(client).into())
    }
}

impl RawAuthorization {
    /// Takes the parameters of a query or of a form.
    pub fn parse(params: Params) -> Self {
        Self { params }
    }

    /// The parameters as they came.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The client that asks.
    pub fn client_id(&self) -> Result<ClientId, Unanswerable> {
        self.params
            .get("client_id")
            .map(ClientId::new)
            .ok_or(Unanswerable::NoClient)
    }

    /// Finds the registered address that the answer goes to. `redirect_uri` is always required:
    /// OIDC Core §3.1.2.1, and RFC 9700 §4.1.3 advises it for the rest.
    pub fn bind(self, client: &Client) -> Result<Bound, Unanswerable> {
        if !client.is_active() {
            return Err(Unanswerable::unknown(&client.id));
        }
        let uri = self
            .params
            .get("redirect_uri")
            .ok_or(Unanswerable::NoRedirectUri)?;
        if client.redirect_uri(uri).is_none() {
            let registered = client.redirect_uris.iter().map(RedirectUri::as_str);
            let cause = Cause::mismatch(uri, registered);
            return Err(Unanswerable::ForeignRedirectUri(cause.into()));
        }
        let response_type = self.params.get("response_type");
        let response_type = response_type
            .and_then(|text| text.parse().ok())
            .unwrap_or(ResponseType::CODE);
        let mode = self
            .params
            .get("response_mode")
            .and_then(|mode| mode.parse().ok());
        let mode = mode
            .filter(|mode| client.allows(Capability::ResponseMode(*mode)))
            .filter(|mode| response_type.may_travel_by(*mode))
            .unwrap_or_else(|| client.default_response_mode(response_type));
        let state = self.params.get("state").map(str::to_owned);
        let target = RedirectTarget::new(uri.to_owned(), mode, state);
        Ok(Bound {
            params: self.params,
            target,
        })
    }
}

/// A request whose answer has an address.
#[derive(Clone, Debug)]
pub struct Bound {
    params: Params,
    /// Where the answer goes.
    pub target: RedirectTarget,
}

impl Bound {
    /// Checks everything else, in this order. The error goes to [`Self::target`].
    pub fn accept(
        &self,
        client: &Client,
        features: &Features,
    ) -> Result<AuthorizationRequest, OAuthError> {
        self.check_syntax()?;
        self.check_unsupported()?;
        let response_type = self.response_type(client, features)?;
        self.check_response_mode((client, response_type), features)?;
        Ok(AuthorizationRequest {
            client: client.id.clone(),
            redirect_uri: self.target.uri().to_owned(),
            response_type,
            scope: self.scope(client, response_type)?,
            resources: resource::requested(&self.params, &client.resources)?,
            challenge: self.challenge(client, response_type)?,
            prompt: self.prompt()?,
            max_age: self.max_age()?.or(client.default_max_age),
            claims: self.claims(client)?,
            nonce: self.nonce(response_type)?,
            login_hint: self
                .text("login_hint")
                .filter(|hint| hint.len() <= MAX_LOGIN_HINT),
            id_token_hint: self.text("id_token_hint"),
        })
    }

    fn check_syntax(&self) -> Result<(), OAuthError> {
        self.params
            .fault()
            .map_or(Ok(()), |fault| Err(fault.into()))
    }

    fn check_unsupported(&self) -> Result<(), OAuthError> {
        for (name, code, description) in [
            // Whoever gets here has not had them resolved.
            (
                "request",
                ErrorCode::RequestNotSupported,
                "request objects are not supported",
            ),
            (
                "request_uri",
                ErrorCode::RequestUriNotSupported,
                "request_uri is not supported",
            ),
            (
                "registration",
                ErrorCode::RegistrationNotSupported,
                "the registration parameter is not supported",
            ),
        ] {
            if self.params.get(name).is_some() {
                return Err(OAuthError::new(code, description));
            }
        }
        Ok(())
    }

    fn response_type(
        &self,
        client: &Client,
        features: &Features,
    ) -> Result<ResponseType, OAuthError> {
        let text = self
            .params
            .get("response_type")
            .ok_or_else(|| invalid_request("response_type is missing"))?;
        let unsupported = || {
            OAuthError::new(
                ErrorCode::UnsupportedResponseType,
                "the response_type is not supported",
            )
            .given(text, &client.response_types)
        };
        let response_type: ResponseType = text.parse().map_err(|_| unsupported())?;
        if !features.allows(Capability::ResponseType(response_type)) {
            return Err(unsupported());
        }
        if !client.allows(Capability::ResponseType(response_type))
            || !response_type
                .grant_types()
                .all(|grant| client.allows(Capability::Grant(grant)))
        {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "the client is not registered for this response_type",
            )
            .given(text, &client.response_types));
        }
        Ok(response_type)
    }

    fn check_response_mode(
        &self,
        (client, response_type): (&Client, ResponseType),
        features: &Features,
    ) -> Result<(), OAuthError> {
        let Some(text) = self.params.get("response_mode") else {
            return Ok(());
        };
        let allowed = text.parse().is_ok_and(|mode: ResponseMode| {
            let capability = Capability::ResponseMode(mode);
            features.allows(capability)
                && client.allows(capability)
                && response_type.may_travel_by(mode)
        });
        if allowed {
            Ok(())
        } else {
            Err(
                invalid_request("the response_mode is not supported or not allowed")
                    .given(text, &client.response_modes),
            )
        }
    }

    /// The values the client may ask for; others are ignored (OIDC Core §3.1.2.1), and the token
    /// response says what was granted (RFC 6749 §3.3).
    fn scope(&self, client: &Client, response_type: ResponseType) -> Result<Scope, OAuthError> {
        let invalid = |description| OAuthError::new(ErrorCode::InvalidScope, description);
        let text = self
            .params
            .get("scope")
            .ok_or_else(|| invalid("scope is missing"))?;
        let asked: Scope = text
            .parse()
            .map_err(|_| invalid("the scope is malformed or too long").given_only(text))?;
        let mut scope = asked.intersection(&client.scope);
        // Only a code leads to a refresh token (OIDC Core §11).
        if !client.allows(Capability::Grant(GrantType::RefreshToken)) || !response_type.has_code() {
            scope = scope.without("offline_access");
        }
        if scope.is_empty() {
            return Err(invalid("no requested scope is allowed for this client")
                .given(asked, client.scope.iter()));
        }
        if response_type.has_id_token() && !scope.contains("openid") {
            return Err(invalid("an ID token needs the scope openid").given_only(asked));
        }
        Ok(scope)
    }

    fn claims(&self, client: &Client) -> Result<ClaimsRequest, OAuthError> {
        let text = self.params.get("claims");
        text.map_or_else(
            || Ok(ClaimsRequest::default()),
            |text| ClaimsRequest::parse(text, &client.scope),
        )
    }

    /// Required where the browser brings an ID token, which it could bring twice (OIDC Core §3.2.2.1,
    /// §3.3.2.11).
    fn nonce(&self, response_type: ResponseType) -> Result<Option<String>, OAuthError> {
        match self.text("nonce") {
            None if response_type.has_id_token() => {
                Err(invalid_request("nonce is required for this response_type"))
            }
            nonce => Ok(nonce),
        }
    }

    /// Without a code there is nothing that a challenge could protect.
    fn challenge(
        &self,
        client: &Client,
        response_type: ResponseType,
    ) -> Result<Option<Challenge>, OAuthError> {
        if !response_type.has_code() {
            return Ok(None);
        }
        let challenge = Challenge::parse(
            self.params.get("code_challenge"),
            self.params.get("code_challenge_method"),
        )?;
        if challenge.is_none() && client.requires_pkce() {
            return Err(invalid_request("code_challenge is required (PKCE)"));
        }
        Ok(challenge)
    }

    fn prompt(&self) -> Result<BTreeSet<Prompt>, OAuthError> {
        let text = self.params.get("prompt").unwrap_or_default();
        let prompts: BTreeSet<Prompt> = text
            .split(' ')
            .filter(|value| !value.is_empty())
            .map(|value| {
                Prompt::parse(value).ok_or_else(|| {
                    invalid_request("the prompt value is not supported").given(text, Prompt::NAMES)
                })
            })
            .collect::<Result<_, _>>()?;
        if prompts.contains(&Prompt::None) && prompts.len() > 1 {
            return Err(invalid_request("prompt=none cannot be combined").given_only(text));
        }
        Ok(prompts)
    }

    fn max_age(&self) -> Result<Option<u64>, OAuthError> {
        let parse = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= MAX_AGE_DIGITS;
            digits.then(|| text.parse().ok()).flatten()
        };
        match self.params.get("max_age") {
            None => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| {
                invalid_request("max_age must be a number of seconds").given_only(text)
            }),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.params.get(name).map(str::to_owned)
    }
}

/// More is no age of a login.
const MAX_AGE_DIGITS: usize = 10;
/// Longer is no login name.
const MAX_LOGIN_HINT: usize = 254;

fn invalid_request(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

/// A `prompt` value (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// No page may be shown.
    None,
    /// Log in again.
    Login,
    /// Consent again.
    Consent,
    /// Choose the account.
    SelectAccount,
}

impl Prompt {
    /// Every value, as discovery lists them.
    pub const NAMES: &'static [&'static str] = &["none", "login", "consent", "select_account"];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "login" => Some(Self::Login),
            "consent" => Some(Self::Consent),
            "select_account" => Some(Self::SelectAccount),
            _ => None,
        }
    }
}

/// A request that its client may make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: ClientId,
    /// As sent; the token request must repeat it.
    pub redirect_uri: String,
    /// What the response shall carry.
    #[serde(default = "code")]
    pub response_type: ResponseType,
    /// What is asked for and may be.
    pub scope: Scope,
    /// Where (RFC 8707).
    pub resources: Vec<String>,
    /// PKCE.
    pub challenge: Option<Challenge>,
    /// `prompt`
    pub prompt: BTreeSet<Prompt>,
    /// `max_age` or the client's default, seconds.
    pub max_age: Option<u64>,
    /// `claims`
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// `nonce`
    pub nonce: Option<String>,
    /// `login_hint`
    pub login_hint: Option<String>,
    /// `id_token_hint`, not verified yet.
    pub id_token_hint: Option<String>,
}

/// What a request asked for before there was a choice.
fn code() -> ResponseType {
    ResponseType::CODE
}

impl AuthorizationRequest {
    /// Whether `prompt` has this value.
    pub fn prompts(&self, prompt: Prompt) -> bool {
        self.prompt.contains(&prompt)
    }
}

#[cfg(test)]
mod tests;
