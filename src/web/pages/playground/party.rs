//! The playground as relying party: every operation of the openidconnect crate, with its messages recorded.

use chrono::DateTime;
use openidconnect::{
    AccessToken, AdditionalProviderMetadata, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, IntrospectionUrl, IssuerUrl,
    Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, Scope, SubjectIdentifier, TokenResponse as _,
    core::{
        CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
        CoreClientAuthMethod, CoreGrantType, CoreIdToken, CoreJsonWebKey, CoreJsonWebKeySet,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
        CoreResponseType, CoreSubjectIdentifierType, CoreTokenResponse,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    CALLBACK, PlaygroundClient,
    choices::{Choices, Role},
    record::{Exchange, Recorder, navigation},
    steps::{Failed, Kind, Parts},
    verify::{self, AccessRules, Expected},
    visit::{Pending, Tokens, Visit},
};
use crate::{protocol::params::Params, web::Web};

/// Metadata beyond OpenID Connect Discovery.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Extra {
    /// RFC 8414 §2
    pub(super) introspection_endpoint: IntrospectionUrl,
    /// RP-Initiated Logout §2.1
    pub(super) end_session_endpoint: EndSessionUrl,
}

impl AdditionalProviderMetadata for Extra {}

/// The server, as its metadata and keys describe it.
pub(super) type Provider = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// openidconnect's client with what that metadata gave it.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The answer belongs to no request of this browser.
pub(super) struct Stale;

/// The relying party on behalf of one browser.
pub(super) struct Party<'a> {
    /// What the server around it shares: issuer, clock, randomness.
    pub(super) web: &'a Web,
    /// Sends its requests.
    pub(super) http: &'a reqwest::Client,
    /// Who it is.
    pub(super) client: &'a PlaygroundClient,
    /// What it knows of the browser.
    pub(super) visit: &'a mut Visit,
}

impl Party<'_> {
    /// Discovers the server and prepares an authorization request; where to send the browser with it.
    pub(super) async fn start(&mut self, choices: Choices) -> Option<Url> {
        *self.visit = Visit {
            choices,
            ..Visit::default()
        };
        let provider = self.discover().await?;
        let request = self.authorization_request(&provider);
        self.visit.provider = Some(provider);
        match request {
            Ok((address, pending)) => {
                let kept = format!(
                    "state = {}\nnonce = {}\ncode_verifier = {}",
                    pending.state.secret(),
                    pending.nonce.secret(),
                    pending.verifier.secret()
                );
                let parts = vec![("Kept by the application".to_owned(), kept)];
                self.note(Kind::Authorization, Some(navigation(&address)), Ok(parts));
                self.visit.pending = Some(pending);
                Some(address)
            }
            Err(failed) => {
                self.note(Kind::Authorization, None, Err(failed));
                None
            }
        }
    }

    pub(super) async fn discover(&mut self) -> Option<Provider> {
        let recorder = Recorder::new(self.http);
        let issuer = IssuerUrl::new(self.web.ports.settings.issuer.as_str().to_owned());
        let result = match issuer {
            Ok(issuer) => Provider::discover_async(issuer, &recorder)
                .await
                .map_err(|error| Failed::of(&error)),
            Err(error) => Err(Failed::of(&error)),
        };
        let mut exchanges = recorder.into_exchanges().into_iter();
        let (metadata, keys) = (exchanges.next(), exchanges.next());
        let (provider, outcome) = match result {
            Ok(provider) => (Some(provider), Ok(Parts::new())),
            Err(failed) => (None, Err(failed)),
        };
        // Where the metadata was no good, no keys were asked for.
        if keys.is_some() {
            self.note(Kind::Discovery, metadata, Ok(Parts::new()));
            self.note(Kind::Keys, keys, outcome);
        } else {
            self.note(Kind::Discovery, metadata, outcome);
        }
        provider
    }

    fn authorization_request(&self, provider: &Provider) -> Result<(Url, Pending), Failed> {
        let ports = &self.web.ports;
        let state = CsrfToken::new(ports.identifier());
        let nonce = Nonce::new(ports.identifier());
        let verifier = PkceCodeVerifier::new(ports.secret());
        let choices = &self.visit.choices;
        let party = self.relying_party(provider)?;
        let mut request = party
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || state,
                move || nonce,
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        // The crate asks for `openid` by itself.
        for scope in choices
            .scope
            .split_whitespace()
            .filter(|it| *it != "openid")
        {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        if let Some(prompt) = &choices.prompt {
            request = request.add_prompt(prompt.clone());
        }
        if let Some(resource) = &choices.resource {
            request = request.add_extra_param("resource", resource.clone());
        }
        let (address, state, nonce) = request.url();
        let pending = Pending {
            state,
            nonce,
            verifier,
        };
        Ok((address, pending))
    }

    /// The browser is back from the server, at this address.
    pub(super) async fn callback(&mut self, address: &Url) -> Result<(), Stale> {
        let query = Params::parse(address.query().unwrap_or_default().as_bytes());
        let state = query.get("state");
        let pending = self
            .visit
            .pending
            .take_if(|pending| state == Some(pending.state.secret().as_str()))
            .ok_or(Stale)?;
        let request = Some(navigation(address));
        match self.check_answer(&query) {
            Ok((code, parts)) => {
                self.note(Kind::Callback, request, Ok(parts));
                self.redeem(pending, code).await;
            }
            Err(failed) => self.note(Kind::Callback, request, Err(failed)),
        }
        Ok(())
    }

    fn check_answer(&self, query: &Params) -> Result<(AuthorizationCode, Parts), Failed> {
        let issuer = self.web.ports.settings.issuer.as_str();
        if query.get("iss") != Some(issuer) {
            return Err(Failed::because("iss is missing or another server's"));
        }
        if let Some(error) = query.get("error") {
            let description = query.get("error_description").unwrap_or_default();
            return Err(Failed::because(format!("{error}: {description}")));
        }
        let code = query
            .get("code")
            .ok_or_else(|| Failed::because("the answer has neither code nor error"))?;
        let checks = format!("✓ state is that of the request\n✓ iss is {issuer}");
        let parts = vec![("Verification".to_owned(), checks)];
        Ok((AuthorizationCode::new(code.to_owned()), parts))
    }

    async fn redeem(&mut self, pending: Pending, code: AuthorizationCode) {
        let recorder = Recorder::new(self.http);
        let result = self.exchange(&recorder, code, pending.verifier).await;
        let Some(answer) = self.note_call(Kind::Token, recorder, result) else {
            return;
        };
        let Some(id) = answer.id_token() else {
            let failed = Failed::because("the server sent no ID token");
            return self.note(Kind::IdToken, None, Err(failed));
        };
        let access = answer.access_token();
        self.learn_keys(&id.to_string()).await;
        let expected = Expected::SignIn(&pending.nonce);
        let Some(subject) = self.verify_id_token(id, expected, access) else {
            return;
        };
        let client = self.client_id().to_owned();
        self.verify_access_token(access, &client).await;
        self.visit.tokens = Some(Tokens {
            access: access.clone(),
            refresh: answer.refresh_token().cloned(),
            id: id.clone(),
            nonce: pending.nonce,
            subject,
        });
    }

    async fn exchange(
        &self,
        recorder: &Recorder<'_>,
        code: AuthorizationCode,
        verifier: PkceCodeVerifier,
    ) -> Result<CoreTokenResponse, Failed> {
        self.relying_party(self.provider()?)?
            .exchange_code(code)
            .map_err(|error| Failed::of(&error))?
            .set_pkce_verifier(verifier)
            .request_async(recorder)
            .await
            .map_err(|error| Failed::of(&error))
    }

    /// The server that the walk began with.
    pub(super) fn provider(&self) -> Result<&Provider, Failed> {
        let provider = self.visit.provider.as_ref();
        provider.ok_or_else(|| Failed::because("the server has not been discovered"))
    }

    /// As whom the playground asks.
    pub(super) fn client_id(&self) -> &str {
        match (self.visit.choices.role, &self.client.public) {
            (Role::Spa, Some(public)) => public,
            (Role::Web, _) | (Role::Spa, None) => &self.client.client_id,
        }
    }

    /// openidconnect's client for this server.
    pub(super) fn relying_party(&self, provider: &Provider) -> Result<Client, Failed> {
        let secret = match self.visit.choices.role {
            Role::Web => Some(&self.client.client_secret),
            Role::Spa => None,
        };
        self.party_as(provider, self.client_id(), secret)
    }

    /// The same as another client.
    pub(super) fn party_as(
        &self,
        provider: &Provider,
        client: &str,
        secret: Option<&SecretString>,
    ) -> Result<Client, Failed> {
        let redirect = RedirectUrl::new(self.web.ports.settings.issuer.url(CALLBACK))
            .map_err(|error| Failed::of(&error))?;
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let client = CoreClient::from_provider_metadata(
            provider.clone(),
            ClientId::new(client.to_owned()),
            secret,
        );
        let introspection = &provider.additional_metadata().introspection_endpoint;
        Ok(client
            .set_redirect_uri(redirect)
            .set_introspection_url(introspection.clone()))
    }

    /// Fetches the keys again where the one that signed `token` is new (OIDC Core §10.1.1).
    pub(super) async fn learn_keys(&mut self, token: &str) {
        let Some(provider) = self.visit.provider.take() else {
            return;
        };
        if verify::is_key_known(token, provider.jwks()) {
            self.visit.provider = Some(provider);
            return;
        }
        let recorder = Recorder::new(self.http);
        let result = CoreJsonWebKeySet::fetch_async(provider.jwks_uri(), &recorder)
            .await
            .map_err(|error| Failed::of(&error));
        let keys = self.note_call(Kind::Keys, recorder, result);
        self.visit.provider = Some(match keys {
            Some(keys) => provider.set_jwks(keys),
            None => provider,
        });
    }

    /// Shows an ID token and whether it holds; whose it is if it does.
    pub(super) fn verify_id_token(
        &mut self,
        token: &CoreIdToken,
        expected: Expected<'_>,
        access: &AccessToken,
    ) -> Option<SubjectIdentifier> {
        let verified = self
            .provider()
            .and_then(|provider| self.relying_party(provider))
            .and_then(|client| {
                let clock = &self.web.ports.clock;
                let verifier = client
                    .id_token_verifier()
                    .set_time_fn(|| DateTime::from_timestamp(clock.now().0, 0).unwrap_or_default());
                verify::id_token(token, &verifier, expected, access)
            });
        match verified {
            Ok((parts, subject)) => {
                self.note(Kind::IdToken, None, Ok(parts));
                Some(subject)
            }
            Err(failed) => {
                self.note(Kind::IdToken, None, Err(failed));
                None
            }
        }
    }

    /// Shows an access token as an API sees it.
    pub(super) async fn verify_access_token(&mut self, token: &AccessToken, client: &str) {
        self.learn_keys(token.secret()).await;
        let rules = AccessRules {
            issuer: self.web.ports.settings.issuer.as_str(),
            client,
            now: self.web.ports.clock.now(),
        };
        let result = self
            .provider()
            .and_then(|provider| verify::access_token(token.secret(), provider.jwks(), &rules));
        self.note(Kind::AccessToken, None, result);
    }

    /// Notes a call of one exchange and hands on what it brought.
    pub(super) fn note_call<T>(
        &mut self,
        kind: Kind,
        recorder: Recorder<'_>,
        result: Result<T, Failed>,
    ) -> Option<T> {
        let exchange = recorder.into_exchanges().pop();
        match result {
            Ok(value) => {
                self.note(kind, exchange, Ok(Parts::new()));
                Some(value)
            }
            Err(failed) => {
                self.note(kind, exchange, Err(failed));
                None
            }
        }
    }

    /// Notes what happened.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        exchange: Option<Exchange>,
        result: Result<Parts, Failed>,
    ) {
        self.visit.steps.add(kind, exchange, result);
    }
}
