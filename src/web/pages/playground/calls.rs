//! What the playground does with its tokens: userinfo, introspection, refresh, sign-out.

use openidconnect::{
    ClientId, CsrfToken, EmptyAdditionalClaims, LogoutRequest, OAuth2TokenResponse as _,
    PostLogoutRedirectUrl, TokenResponse as _,
    core::{
        CoreGenderClaim, CoreTokenIntrospectionResponse, CoreTokenResponse, CoreUserInfoClaims,
    },
};
use secrecy::SecretString;
use url::Url;

use super::{
    PATH,
    party::Party,
    record::{Recorder, navigation},
    steps::{Failed, Kind, Parts},
    verify::Expected,
    visit::{Leaving, Tokens, Visit},
};

impl Party<'_> {
    /// Asks the userinfo endpoint; openidconnect compares the subject with the ID token's (OIDC Core §5.3.2).
    pub(super) async fn userinfo(&mut self) {
        let Some(tokens) = &self.visit.tokens else {
            return;
        };
        let recorder = Recorder::new(self.http);
        let result = self.ask_userinfo(&recorder, tokens).await;
        self.note_call(Kind::Userinfo, recorder, result);
    }

    async fn ask_userinfo(
        &self,
        recorder: &Recorder<'_>,
        tokens: &Tokens,
    ) -> Result<CoreUserInfoClaims, Failed> {
        self.relying_party(self.provider()?)?
            .user_info(tokens.access.clone(), Some(tokens.subject.clone()))
            .map_err(|error| Failed::of(&error))?
            .request_async::<EmptyAdditionalClaims, _, CoreGenderClaim>(recorder)
            .await
            .map_err(|error| Failed::of(&error))
    }

    /// Asks the server about the access token.
    pub(super) async fn introspect(&mut self) {
        let Some(tokens) = &self.visit.tokens else {
            return;
        };
        let recorder = Recorder::new(self.http);
        let result = self.ask_introspection(&recorder, tokens).await;
        self.note_call(Kind::Introspection, recorder, result);
    }

    async fn ask_introspection(
        &self,
        recorder: &Recorder<'_>,
        tokens: &Tokens,
    ) -> Result<CoreTokenIntrospectionResponse, Failed> {
        self.relying_party(self.provider()?)?
            .introspect(&tokens.access)
            .request_async(recorder)
            .await
            .map_err(|error| Failed::of(&error))
    }

    /// Uses the refresh token, and verifies what it brings.
    pub(super) async fn refresh(&mut self) {
        let Some(mut tokens) = self.visit.tokens.take() else {
            return;
        };
        let recorder = Recorder::new(self.http);
        let result = self.ask_refresh(&recorder, &tokens).await;
        let exchange = recorder.into_exchanges().pop();
        match result {
            Ok(answer) => {
                let rotation = rotation(&tokens, &answer);
                let parts = vec![("Rotation".to_owned(), rotation)];
                self.note(Kind::Refresh, exchange, Ok(parts));
                self.renew(&mut tokens, &answer).await;
            }
            Err(failed) => self.note(Kind::Refresh, exchange, Err(failed)),
        }
        self.visit.tokens = Some(tokens);
    }

    async fn ask_refresh(
        &self,
        recorder: &Recorder<'_>,
        tokens: &Tokens,
    ) -> Result<CoreTokenResponse, Failed> {
        let refresh = tokens.refresh.as_ref().ok_or_else(|| {
            Failed::because("there is no refresh token: offline_access was not granted")
        })?;
        self.relying_party(self.provider()?)?
            .exchange_refresh_token(refresh)
            .map_err(|error| Failed::of(&error))?
            .request_async(recorder)
            .await
            .map_err(|error| Failed::of(&error))
    }

    async fn renew(&mut self, tokens: &mut Tokens, answer: &CoreTokenResponse) {
        // The old refresh token is used up, whatever comes of the rest.
        if let Some(refresh) = answer.refresh_token() {
            tokens.refresh = Some(refresh.clone());
        }
        if let Some(id) = answer.id_token() {
            self.learn_keys(&id.to_string()).await;
            let expected = Expected::Refresh(&tokens.nonce, &tokens.subject);
            if self
                .verify_id_token(id, expected, answer.access_token())
                .is_none()
            {
                return;
            }
            tokens.id = id.clone();
        }
        let client = self.client_id().to_owned();
        self.verify_access_token(answer.access_token(), &client)
            .await;
        tokens.access = answer.access_token().clone();
    }

    /// Asks for a token of a service's own, and shows it.
    pub(super) async fn client_credentials(&mut self) {
        let client = self.client;
        let Some((service, secret)) = &client.service else {
            let failed = Failed::because("no client that acts for itself is set up");
            return self.note(Kind::ClientCredentials, None, Err(failed));
        };
        if self.visit.provider.is_none() {
            self.visit.provider = self.discover().await;
        }
        let recorder = Recorder::new(self.http);
        let result = self.ask_for_itself(&recorder, service, secret).await;
        if let Some(answer) = self.note_call(Kind::ClientCredentials, recorder, result) {
            self.verify_access_token(answer.access_token(), service)
                .await;
        }
    }

    async fn ask_for_itself(
        &self,
        recorder: &Recorder<'_>,
        service: &str,
        secret: &SecretString,
    ) -> Result<CoreTokenResponse, Failed> {
        let party = self.party_as(self.provider()?, service, Some(secret))?;
        let mut request = party
            .exchange_client_credentials()
            .map_err(|error| Failed::of(&error))?;
        if let Some(resource) = &self.visit.choices.resource {
            request = request.add_extra_param("resource", resource.clone());
        }
        request
            .request_async(recorder)
            .await
            .map_err(|error| Failed::of(&error))
    }

    /// Where to send the browser to sign out.
    pub(super) fn log_out(&mut self) -> Option<Url> {
        let state = self.web.ports.identifier();
        let tokens = self.visit.tokens.as_ref()?;
        let result = self.logout_address(tokens, &state);
        match result {
            Ok(address) => {
                self.visit.leaving = Some(Leaving {
                    state,
                    address: address.clone(),
                });
                Some(address)
            }
            Err(failed) => {
                self.note(Kind::Logout, None, Err(failed));
                None
            }
        }
    }

    fn logout_address(&self, tokens: &Tokens, state: &str) -> Result<Url, Failed> {
        let endpoint = &self.provider()?.additional_metadata().end_session_endpoint;
        let back = PostLogoutRedirectUrl::new(self.web.ports.settings.issuer.url(PATH))
            .map_err(|error| Failed::of(&error))?;
        let request = LogoutRequest::from(endpoint.clone())
            .set_id_token_hint(&tokens.id)
            .set_client_id(ClientId::new(self.client_id().to_owned()))
            .set_post_logout_redirect_uri(back)
            .set_state(CsrfToken::new(state.to_owned()));
        Ok(request.http_get_url())
    }
}

/// The browser is back from signing out, if this is the state that it left with.
pub(super) fn signed_out(visit: &mut Visit, state: &str) {
    let Some(leaving) = visit.leaving.take_if(|leaving| leaving.state == state) else {
        return;
    };
    visit.tokens = None;
    let back =
        format!("The browser came back with state = {state}.\nThe application forgot its tokens.");
    let parts: Parts = vec![("Afterwards".to_owned(), back)];
    visit
        .steps
        .add(Kind::Logout, Some(navigation(&leaving.address)), Ok(parts));
}

fn rotation(tokens: &Tokens, answer: &CoreTokenResponse) -> String {
    let old = tokens
        .refresh
        .as_ref()
        .map(openidconnect::RefreshToken::secret);
    let new = answer
        .refresh_token()
        .map(openidconnect::RefreshToken::secret);
    let (Some(old), Some(new)) = (old, new) else {
        return "The server sent no new refresh token; the old one stays good.".to_owned();
    };
    if old == new {
        return "The refresh token stays the same.".to_owned();
    }
    format!("The refresh token was replaced.\nbefore: {old}\nafter:  {new}")
}
