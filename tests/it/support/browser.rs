//! A browser as far as the flow needs one: cookies, redirects within the provider, our own forms.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use super::app::{Answer, CALLBACK, CHALLENGE, ISSUER, PASSWORD, TestApp, USERNAME, encode, form};

/// A browser with its cookies.
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    pub(crate) cookies: std::collections::BTreeMap<String, String>,
    agent: Option<String>,
}

impl<'a> Browser<'a> {
    /// A browser that has never been here.
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            cookies: std::collections::BTreeMap::default(),
            agent: None,
        }
    }

    /// The same with a `User-Agent`.
    pub(crate) fn saying(self, agent: &str) -> Self {
        Self {
            agent: Some(agent.to_owned()),
            ..self
        }
    }

    /// GET with cookies.
    pub(crate) async fn get(&mut self, uri: &str) -> Answer {
        self.send(Request::get(local(uri)).body(Body::empty()).unwrap())
            .await
    }

    /// POST of a form with cookies, as a browser sends one from our own pages.
    pub(crate) async fn post(&mut self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let request = form(local(uri), fields)
            .header(header::ORIGIN, ISSUER)
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(encode(fields))).unwrap())
            .await
    }

    /// Sends a request with this browser's cookies and keeps what is set.
    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request
                .headers_mut()
                .insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        if let Some(agent) = &self.agent {
            request
                .headers_mut()
                .insert(header::USER_AGENT, agent.parse().unwrap());
        }
        let answer = self.app.send(request).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The authorization request of a client, with further or replaced parameters.
    pub(crate) async fn authorize(&mut self, client: &str, extra: &[(&str, &str)]) -> Answer {
        self.get(&authorize_uri(client, extra)).await
    }

    /// Follows our own redirects and fills in our own forms until there is an answer for the client.
    pub(crate) async fn finish(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            if answer.status == StatusCode::SEE_OTHER && answer.location().starts_with('/') {
                let location = answer.location().to_owned();
                answer = self.get(&location).await;
            } else if answer.body.contains("action=\"/login") {
                answer = self.log_in(&answer.body, USERNAME, PASSWORD).await;
            } else if answer.body.contains("action=\"/consent") {
                let fields = hidden_fields(&answer.body);
                let mut fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str()))
                    .collect();
                fields.push(("decision", "approve"));
                answer = self.post("/consent", &fields).await;
            } else {
                return answer;
            }
        }
        panic!("the flow does not end: {answer:?}");
    }

    /// Fills in a login page.
    pub(crate) async fn log_in(&mut self, page: &str, username: &str, password: &str) -> Answer {
        let fields = hidden_fields(page);
        let mut fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        fields.extend([("username", username), ("password", password)]);
        self.post("/login", &fields).await
    }

    /// Logs in as somebody for this client, and approves: the code.
    pub(crate) async fn code_as(&mut self, username: &str, client: &str) -> String {
        let location = self.authorize(client, &[]).await.location().to_owned();
        let page = self.get(&location).await;
        let answer = self.log_in(&page.body, username, PASSWORD).await;
        let answer = self.finish(answer).await;
        answer.location_param("code").unwrap()
    }

    /// Runs the whole flow to a code.
    pub(crate) async fn code(&mut self, client: &str, extra: &[(&str, &str)]) -> String {
        let answer = self.authorize(client, extra).await;
        let answer = self.finish(answer).await;
        answer
            .location_param("code")
            .unwrap_or_else(|| panic!("no code: {answer:?}"))
    }
}

/// A path without the origin of the issuer.
fn local(uri: &str) -> &str {
    uri.strip_prefix(ISSUER).unwrap_or(uri)
}

/// The URI of an authorization request with PKCE, in which `extra` replaces or adds parameters; an
/// empty value removes one.
pub(crate) fn authorize_uri(client: &str, extra: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    fields.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    fields.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
    format!("/oauth2/authorize?{}", encode(&fields))
}

/// Names and values of a page's hidden fields.
pub(crate) fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let start = tag
            .find(&format!("{name}=\""))
            .map(|at| at + name.len() + 2)?;
        let end = tag[start..].find('"')? + start;
        Some(tag[start..end].to_owned())
    };
    page.split("<input ")
        .skip(1)
        .filter(|tag| tag.starts_with("type=\"hidden\""))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect()
}
