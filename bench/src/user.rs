//! A virtual user: one connection, one cookie jar, and one operation after the other.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;

use crate::{
    error::Fault,
    form::{self, Form},
    http::{Jar, Link, Reply},
    pkce::{self, Pkce},
    scenario::Scenario,
    target::{CALLBACK, Role, RoleName, Target},
    tokens::{Keys, TokenAnswer},
};

/// Redirects and pages between an authorization request and its code.
const STEPS: usize = 10;
/// Tokens that are made for a round that ends them.
const SPARE: usize = 400;

/// A virtual user.
pub(crate) struct VirtualUser {
    target: Arc<Target>,
    keys: Arc<Keys>,
    link: Link,
    jar: Jar,
    name: String,
    pkce: Vec<Pkce>,
    turn: u64,
    etag: Option<HeaderValue>,
    refresh: BTreeMap<RoleName, String>,
    bearer: BTreeMap<Scenario, String>,
    spare: Vec<String>,
}

impl VirtualUser {
    /// Number `index` of `count`.
    pub(crate) fn new(target: Arc<Target>, keys: Arc<Keys>, index: usize, count: usize) -> Self {
        Self {
            link: Link::new(target.address, target.host()),
            jar: Jar::default(),
            name: target.accounts.name(index, count),
            pkce: pkce::pairs(index),
            // Virtual users begin at different places of the mix.
            turn: index as u64 * 7,
            etag: None,
            refresh: BTreeMap::new(),
            bearer: BTreeMap::new(),
            spare: Vec::new(),
            target,
            keys,
        }
    }

    /// Makes the session and the tokens that the scenario begins with.
    pub(crate) async fn prepare(&mut self, scenario: Scenario) -> Result<(), Fault> {
        match scenario {
            Scenario::NotModified => {
                let reply = self.get(self.target.paths.discovery).await?;
                self.etag = reply.headers.get(header::ETAG).cloned();
            }
            Scenario::S5a | Scenario::S5b => {
                self.sign_in(scenario).await?;
            }
            Scenario::S7a | Scenario::S7b => {
                let answer = self.sign_in(scenario).await?;
                self.refresh
                    .insert(scenario.role(), answer.into_refresh_token()?);
            }
            Scenario::S8Opaque | Scenario::S8Jwt | Scenario::S9Opaque | Scenario::S9Jwt => {
                let answer = self.sign_in(scenario).await?;
                self.bearer.insert(scenario, answer.access_token);
            }
            Scenario::S8Inactive => {
                let token = self.sign_in(scenario).await?.access_token;
                self.revoke(scenario, &token).await?;
                self.bearer.insert(scenario, token);
            }
            Scenario::S10 => {
                while self.spare.len() < SPARE {
                    let answer = self.client_credentials(scenario).await?;
                    self.spare.push(answer.access_token);
                }
            }
            Scenario::S13 => {
                for part in [Scenario::S7a, Scenario::S8Opaque, Scenario::S9Opaque] {
                    Box::pin(self.prepare(part)).await?;
                }
            }
            Scenario::A1 | Scenario::A2 | Scenario::A3 => {
                let answer = self.client_credentials(scenario).await?;
                self.bearer.insert(scenario, answer.access_token);
            }
            Scenario::Discovery
            | Scenario::Jwks
            | Scenario::S2
            | Scenario::S3
            | Scenario::S4
            | Scenario::S6H0
            | Scenario::S6H1
            | Scenario::S6Hk => (),
        }
        Ok(())
    }

    /// One operation.
    pub(crate) async fn step(&mut self, scenario: Scenario) -> Result<(), Fault> {
        self.turn += 1;
        match scenario {
            Scenario::Discovery => {
                let reply = self.get(self.target.paths.discovery).await?;
                expect_member(&reply, "\"issuer\"")
            }
            Scenario::Jwks => {
                let reply = self.get(self.target.paths.jwks).await?;
                expect_member(&reply, "\"keys\"")
            }
            Scenario::NotModified => self.not_modified().await,
            Scenario::S2 | Scenario::S3 | Scenario::S4 => {
                self.client_credentials(scenario).await.map(drop)
            }
            Scenario::S5a | Scenario::S5b => self.sign_in(scenario).await.map(drop),
            Scenario::S6H0 | Scenario::S6H1 | Scenario::S6Hk => {
                self.jar = Jar::default();
                self.sign_in(scenario).await.map(drop)
            }
            Scenario::S7a | Scenario::S7b => self.rotate(scenario).await,
            Scenario::S8Opaque | Scenario::S8Jwt => self.introspect(scenario, true).await,
            Scenario::S8Inactive => self.introspect(scenario, false).await,
            Scenario::S9Opaque | Scenario::S9Jwt => self.userinfo(scenario).await,
            Scenario::A1 => self.administer(scenario, "?limit=50").await,
            Scenario::A2 => {
                let beginning = format!("?search={}", self.name);
                self.administer(scenario, &beginning).await
            }
            Scenario::A3 => {
                let count = self.target.accounts.count.max(1) as u64;
                // Spread over all accounts; a prime, so that every one comes.
                let number = self.turn.wrapping_mul(7919) % count;
                let id = format!("/00000000-0000-4000-8000-{number:012}");
                let id = if number == 0 { "?limit=1" } else { &id };
                self.administer(scenario, id).await
            }
            Scenario::S10 => {
                let token = self.spare.pop().ok_or(Fault::Exhausted)?;
                self.revoke(scenario, &token).await
            }
            Scenario::S13 => {
                let part = Scenario::of_mix(self.turn, self.target.own_login());
                Box::pin(self.step(part)).await
            }
        }
    }

    async fn not_modified(&mut self) -> Result<(), Fault> {
        let path = self.target.paths.discovery;
        let etag = self.etag.clone();
        let etag = etag.ok_or_else(|| Fault::shape("discovery has no ETag"))?;
        let mut request = request(Method::GET, path, Bytes::new());
        request.headers_mut().insert(header::IF_NONE_MATCH, etag);
        let reply = self.link.send(request).await?;
        reply.having(StatusCode::NOT_MODIFIED, path).map(drop)
    }

    async fn client_credentials(&mut self, scenario: Scenario) -> Result<TokenAnswer, Fault> {
        let role = self.role(scenario)?;
        let answer = self
            .token(&role, &[("grant_type", "client_credentials")])
            .await?;
        if role.access == crate::target::Shape::Jwt {
            self.keys.spot_check(&answer.access_token, role.algorithm)?;
        }
        Ok(answer)
    }

    /// From the authorization request to the tokens, through the login page where there is no session.
    async fn sign_in(&mut self, scenario: Scenario) -> Result<TokenAnswer, Fault> {
        let role = self.role(scenario)?;
        let pairs = self.pkce.len().max(1) as u64;
        let at = usize::try_from(self.turn % pairs).unwrap_or_default();
        let pair = self.pkce.get(at).cloned();
        let pair = pair.ok_or_else(|| Fault::shape("no PKCE pairs"))?;
        let code = self.code(&role, &pair.challenge).await?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &pair.verifier),
        ];
        let answer = self.token(&role, &fields).await?;
        self.keys.spot_check(answer.id_token()?, role.algorithm)?;
        Ok(answer)
    }

    async fn code(&mut self, role: &Role, challenge: &str) -> Result<String, Fault> {
        let mut fields = vec![
            ("client_id", role.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", role.scope),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        fields.extend(role.resource.iter().map(|it| ("resource", it.as_str())));
        let path = format!("{}?{}", self.target.paths.authorize, form::encode(&fields));
        let mut reply = self.visit(&path).await?;
        for _ in 0..STEPS {
            if reply.status.is_redirection() {
                let location = reply.header(header::LOCATION).unwrap_or_default();
                if let Some(query) = location.strip_prefix(CALLBACK) {
                    return code_of(query);
                }
                let path = self.local(location)?;
                reply = self.visit(&path).await?;
            } else if reply.status == StatusCode::OK {
                reply = self.log_in(&reply).await?;
            } else {
                return Err(reply.unexpected("the way to a code"));
            }
        }
        Err(Fault::shape("the way to a code does not end"))
    }

    async fn log_in(&mut self, page: &Reply) -> Result<Reply, Fault> {
        let form =
            Form::parse(&page.text()).ok_or_else(|| Fault::shape("a page without a form"))?;
        let path = self.local(&form.action)?;
        let (user, password) = (self.target.login.user, self.target.login.password);
        let mut fields: Vec<(&str, &str)> = form
            .hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        fields.push((user, &self.name));
        fields.push((password, self.target.accounts.password));
        let body = Bytes::from(form::encode(&fields));
        let mut request = request(Method::POST, &path, body);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, FORM);
        if let Ok(origin) = HeaderValue::from_str(&self.target.origin) {
            headers.insert(header::ORIGIN, origin);
        }
        self.browse(request, &path).await
    }

    async fn rotate(&mut self, scenario: Scenario) -> Result<(), Fault> {
        let role = self.role(scenario)?;
        let token = self.refresh.get(&scenario.role()).cloned();
        let token = token.ok_or(Fault::Exhausted)?;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &token)];
        let answer = self.token(&role, &fields).await?;
        self.keys.spot_check(answer.id_token()?, role.algorithm)?;
        let next = answer.into_refresh_token()?;
        if next == token {
            return Err(Fault::shape("the refresh token was not rotated"));
        }
        self.refresh.insert(scenario.role(), next);
        Ok(())
    }

    async fn introspect(&mut self, scenario: Scenario, is_active: bool) -> Result<(), Fault> {
        let role = self.role(scenario)?;
        let path = self.target.paths.introspect;
        let token = self.bearer.get(&scenario).cloned();
        let token = token.ok_or(Fault::Exhausted)?;
        let reply = self.post_as(&role, path, &[("token", &token)]).await?;
        let reply = reply.having(StatusCode::OK, path)?;
        let text: String = reply.text().split_whitespace().collect();
        if text.contains(&format!("\"active\":{is_active}")) {
            return Ok(());
        }
        Err(Fault::shape(format!("not active:{is_active}: {text}")))
    }

    async fn userinfo(&mut self, scenario: Scenario) -> Result<(), Fault> {
        let path = self.target.paths.userinfo;
        self.read(scenario, path, "\"sub\"").await
    }

    /// What the administration API has at this place below its users.
    async fn administer(&mut self, scenario: Scenario, place: &str) -> Result<(), Fault> {
        let path = format!("/api/admin/users{place}");
        self.read(scenario, &path, "\"username\"").await
    }

    /// GET with the scenario's access token.
    async fn read(&mut self, scenario: Scenario, path: &str, member: &str) -> Result<(), Fault> {
        let token = self.bearer.get(&scenario).ok_or(Fault::Exhausted)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Fault::shape("a token that fits no header"))?;
        let mut request = request(Method::GET, path, Bytes::new());
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let reply = self.link.send(request).await?;
        expect_member(&reply.having(StatusCode::OK, path)?, member)
    }

    async fn revoke(&mut self, scenario: Scenario, token: &str) -> Result<(), Fault> {
        let role = self.role(scenario)?;
        let path = self.target.paths.revoke;
        let reply = self.post_as(&role, path, &[("token", token)]).await?;
        reply.having(StatusCode::OK, path).map(drop)
    }

    async fn token(&mut self, role: &Role, fields: &[(&str, &str)]) -> Result<TokenAnswer, Fault> {
        let path = self.target.paths.token;
        let mut fields = fields.to_vec();
        // A code and a refresh token know their scope.
        if !role.scope.is_empty() && fields.len() == 1 {
            fields.push(("scope", role.scope));
        }
        fields.extend(role.resource.iter().map(|it| ("resource", it.as_str())));
        let reply = self.post_as(role, path, &fields).await?;
        TokenAnswer::parse(&reply.having(StatusCode::OK, path)?.body, role.access)
    }

    async fn post_as(
        &mut self,
        role: &Role,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Reply, Fault> {
        let mut request = request(Method::POST, path, Bytes::from(form::encode(fields)));
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, FORM);
        headers.insert(header::AUTHORIZATION, role.authorization.clone());
        self.link.send(request).await
    }

    /// GET of a document.
    async fn get(&mut self, path: &str) -> Result<Reply, Fault> {
        let request = request(Method::GET, path, Bytes::new());
        self.link.send(request).await?.having(StatusCode::OK, path)
    }

    /// GET as a browser, with cookies; any status.
    async fn visit(&mut self, path: &str) -> Result<Reply, Fault> {
        self.browse(request(Method::GET, path, Bytes::new()), path)
            .await
    }

    async fn browse(
        &mut self,
        mut request: Request<Full<Bytes>>,
        path: &str,
    ) -> Result<Reply, Fault> {
        if let Some(cookies) = self.jar.header(path) {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let reply = self.link.send(request).await?;
        self.jar.keep(&reply.headers);
        Ok(reply)
    }

    /// Path and query of a place at the provider.
    fn local(&self, place: &str) -> Result<String, Fault> {
        let local = place.strip_prefix(&self.target.origin).unwrap_or(place);
        if local.starts_with('/') {
            return Ok(local.to_owned());
        }
        Err(Fault::shape(format!("led away to {place}")))
    }

    fn role(&self, scenario: Scenario) -> Result<Role, Fault> {
        let role = self.target.role(scenario).cloned();
        role.ok_or_else(|| Fault::shape("the provider has no client for this"))
    }
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    // A path that is none ends in 404 at the provider.
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

fn code_of(query: &str) -> Result<String, Fault> {
    let query = query.trim_start_matches(['?', '#']);
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
        .ok_or_else(|| Fault::shape(format!("no code but {query}")))
}

fn expect_member(reply: &Reply, member: &str) -> Result<(), Fault> {
    let has = reply
        .body
        .windows(member.len())
        .any(|window| window == member.as_bytes());
    if has {
        Ok(())
    } else {
        Err(Fault::shape(format!("an answer without {member}")))
    }
}
