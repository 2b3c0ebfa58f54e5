//! A relying party that registers itself, and judges what it is answered as the suite does.

use serde_json::{Map, Value, json};

use super::{
    Answer,
    browser::Browser,
    http,
    key::Key,
    now,
    provider::Op,
    request::{Authentication, Flow, Request, Response},
    token::{Verified, half_hash},
};

/// Where authorization responses go. Nobody listens: the browser stops there.
pub(crate) const CALLBACK: &str = "https://rp.example/callback";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an ID token says by itself (OIDC Core §2, Front-Channel Logout §3).
const PROTOCOL_CLAIMS: [&str; 14] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
];

/// A registered client of the provider.
pub(crate) struct Rp {
    pub(crate) op: &'static Op,
    pub(crate) flow: Flow,
    /// What it was told when it registered.
    pub(crate) registration: Value,
    pub(crate) redirect_uri: String,
    /// With which it signs.
    pub(crate) key: Key,
    http: reqwest::Client,
}

/// What a flow brought.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// That of the token endpoint if there is one.
    pub(crate) id_token: Verified,
    pub(crate) access_token: Option<String>,
    /// The answer of the token endpoint.
    pub(crate) tokens: Value,
}

impl Rp {
    /// Registers a client for this flow.
    pub(crate) async fn register(flow: Flow) -> Self {
        Self::register_as(flow, json!({})).await
    }

    /// Registers a client with further or other metadata.
    pub(crate) async fn register_as(flow: Flow, extra: Value) -> Self {
        let key = Key::new();
        let answer = Self::ask(flow, &key, extra).await;
        let registration = answer.success(201);
        assert!(registration["client_id"].is_string());
        if registration["client_secret"].is_string() {
            assert!(registration["client_secret_expires_at"].is_u64());
        }
        let op = Op::shared().await;
        let registered = registration["redirect_uris"][0].as_str();
        Self {
            op,
            flow,
            redirect_uri: registered.unwrap().to_owned(),
            registration,
            key,
            http: http(&op.certificate),
        }
    }

    /// What the registration endpoint says to this metadata.
    pub(crate) async fn try_register(flow: Flow, extra: Value) -> Answer {
        Self::ask(flow, &Key::new(), extra).await
    }

    async fn ask(flow: Flow, key: &Key, extra: Value) -> Answer {
        let mut metadata = metadata(flow, key);
        for (name, value) in extra.as_object().unwrap() {
            metadata.insert(name.clone(), value.clone());
        }
        // OIDC Registration §2: one of the two.
        if metadata.contains_key("jwks_uri") {
            metadata.remove("jwks");
        }
        let op = Op::shared().await;
        let url = op.endpoint("registration_endpoint");
        Answer::of(http(&op.certificate).post(url).json(&metadata)).await
    }

    pub(crate) fn id(&self) -> &str {
        self.registration["client_id"].as_str().unwrap()
    }

    fn secret(&self) -> &str {
        self.registration["client_secret"].as_str().unwrap()
    }

    /// The plain authorization request of this flow.
    pub(crate) fn request(&self) -> Request {
        Request::new(self.flow, self.id(), &self.redirect_uri)
    }

    pub(crate) fn url(&self, request: &Request) -> String {
        request.url(self.op.endpoint("authorization_endpoint"))
    }

    /// Sends the browser with this request: what came back.
    pub(crate) async fn authorize(&self, browser: &mut Browser, request: &Request) -> Response {
        let landing = browser.visit(&self.url(request)).await;
        self.flow.response(landing, &self.redirect_uri)
    }

    /// The whole flow with a new browser.
    pub(crate) async fn log_in(&self, request: Request) -> Login {
        let mut browser = Browser::new(self.op);
        self.log_in_with(&mut browser, request).await
    }

    /// The whole flow, each answer of it checked, with a look at the userinfo endpoint at its end.
    pub(crate) async fn log_in_with(&self, browser: &mut Browser, request: Request) -> Login {
        let response = self.authorize(browser, &request).await;
        let login = self.complete(request, response).await;
        if login.access_token.is_some() {
            let userinfo = self.userinfo(&login).await;
            assert_eq!(userinfo["sub"], login.id_token.claims["sub"]);
        }
        login
    }

    /// What follows upon an authorization response.
    pub(crate) async fn complete(&self, request: Request, response: Response) -> Login {
        response.assert_success(self.flow, &request, self.op.issuer());
        let mut login = None;
        if let Some(raw) = response.get("id_token") {
            let id_token = self.id_token(raw, &request).await;
            for (value, hash) in [("access_token", "at_hash"), ("code", "c_hash")] {
                if let Some(value) = response.get(value) {
                    assert_eq!(id_token.text(hash), half_hash(value));
                }
            }
            login = Some(Login {
                request: request.clone(),
                response: response.clone(),
                id_token,
                access_token: response.get("access_token").map(str::to_owned),
                tokens: Value::Null,
            });
        }
        let Some(code) = response.get("code") else {
            return login.unwrap();
        };
        // At least 128 bits (RFC 6749 §10.10 asks for more guesses than anybody has).
        assert!(code.len() >= 22, "{code}");
        let tokens = self.redeem(code, &request).await;
        assert!(tokens.header("cache-control").contains("no-store"));
        let tokens = tokens.success(200);
        let id_token = self.tokens(&tokens, &request).await;
        if let Some(login) = login {
            assert_eq!(login.id_token.claims["sub"], id_token.claims["sub"]);
        }
        Login {
            access_token: tokens["access_token"].as_str().map(str::to_owned),
            request,
            response,
            id_token,
            tokens,
        }
    }

    /// The checks of a token response (RFC 6749 §5.1, OIDC Core §3.1.3.3): its ID token.
    pub(crate) async fn tokens(&self, tokens: &Value, request: &Request) -> Verified {
        let kind = tokens["token_type"].as_str().unwrap();
        assert!(kind.eq_ignore_ascii_case("bearer"));
        assert!(tokens["expires_in"].as_u64().unwrap() > 0);
        let access_token = tokens["access_token"].as_str().unwrap();
        let id_token = tokens["id_token"].as_str().unwrap();
        let id_token = self.id_token(id_token, request).await;
        if !id_token.claims["at_hash"].is_null() {
            assert_eq!(id_token.text("at_hash"), half_hash(access_token));
        }
        id_token
    }

    /// The provider's keys as they are now.
    pub(crate) async fn jwks(&self) -> Value {
        let url = self.op.endpoint("jwks_uri");
        Answer::of(self.http.get(url)).await.success(200)
    }

    /// The checks of OIDC Core §3.1.3.7 and §3.2.2.11.
    async fn id_token(&self, raw: &str, request: &Request) -> Verified {
        let token = Verified::new(raw, &self.jwks().await);
        let claims = &token.claims;
        assert_eq!(claims["iss"], self.op.issuer());
        let audience = &claims["aud"];
        assert!(
            *audience == self.id() || *audience == json!([self.id()]),
            "{claims}"
        );
        assert!(claims["azp"].is_null() || claims["azp"] == self.id());
        let (issued, expires) = (token.number("iat"), token.number("exp"));
        assert!(issued.abs_diff(now()) < 60 && expires > now(), "{claims}");
        assert!((1..=255).contains(&token.text("sub").len()));
        assert_eq!(claims["nonce"].as_str(), request.get("nonce"));
        let may_have_more = self.flow.is_id_token_only() || request.get("claims").is_some();
        for name in claims.as_object().unwrap().keys() {
            let is_known = PROTOCOL_CLAIMS.contains(&name.as_str());
            assert!(
                is_known || may_have_more,
                "nobody asked for {name}: {claims}"
            );
        }
        token
    }

    /// Brings a code to the token endpoint.
    pub(crate) async fn redeem(&self, code: &str, request: &Request) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", request.get("redirect_uri").unwrap()),
        ];
        self.ask_for_tokens(&fields).await
    }

    /// A token request, with which the client authenticates.
    pub(crate) async fn ask_for_tokens(&self, fields: &[(&str, &str)]) -> Answer {
        let audience = self.op.endpoint("token_endpoint");
        self.ask_for_tokens_addressing(audience, fields).await
    }

    /// The same with an assertion for this audience, if it is by an assertion that the client
    /// authenticates.
    pub(crate) async fn ask_for_tokens_addressing(
        &self,
        audience: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let request = self.http.post(self.op.endpoint("token_endpoint"));
        let mut fields = fields.to_vec();
        let assertion = self.key.assertion(self.id(), audience);
        let request = match self.flow.authentication {
            Authentication::Basic => request.basic_auth(self.id(), Some(self.secret())),
            Authentication::Post => {
                fields.extend([("client_id", self.id()), ("client_secret", self.secret())]);
                request
            }
            Authentication::PrivateKey => {
                fields.extend([
                    ("client_assertion_type", ASSERTION),
                    ("client_assertion", &assertion),
                ]);
                request
            }
        };
        Answer::of(request.form(&fields)).await
    }

    /// What the userinfo endpoint says.
    pub(crate) async fn userinfo(&self, login: &Login) -> Value {
        let answer = self.try_userinfo(login).await;
        answer.success(200)
    }

    pub(crate) async fn try_userinfo(&self, login: &Login) -> Answer {
        let token = login.access_token.as_ref().unwrap();
        Answer::of(self.at_userinfo(reqwest::Method::GET).bearer_auth(token)).await
    }

    /// A request to the userinfo endpoint.
    pub(crate) fn at_userinfo(&self, method: reqwest::Method) -> reqwest::RequestBuilder {
        let url = self.op.endpoint("userinfo_endpoint");
        self.http.request(method, url)
    }

    /// A request to the client's own registration (RFC 7592).
    pub(crate) async fn at_registration(&self, method: reqwest::Method) -> Answer {
        let url = self.registration["registration_client_uri"].as_str();
        let token = self.registration["registration_access_token"].as_str();
        let request = self.http.request(method, url.unwrap());
        Answer::of(request.bearer_auth(token.unwrap())).await
    }

    /// As the suite ends each module.
    pub(crate) async fn unregister(self) {
        let answer = self.at_registration(reqwest::Method::DELETE).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

/// What a client of this flow tells about itself.
fn metadata(flow: Flow, key: &Key) -> Map<String, Value> {
    let mut grants = Vec::new();
    if flow.has("code") {
        grants.push("authorization_code");
    }
    if flow.has("id_token") || flow.has("token") {
        grants.push("implicit");
    }
    let method = match flow.authentication {
        Authentication::Basic => "client_secret_basic",
        Authentication::Post => "client_secret_post",
        Authentication::PrivateKey => "private_key_jwt",
    };
    let metadata = json!({
        "client_name": "Conformance",
        "grant_types": grants,
        "response_types": [flow.response_type],
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": method,
        "jwks": key.set(),
        "contacts": ["someone@rp.example"],
    });
    metadata.as_object().unwrap().clone()
}
