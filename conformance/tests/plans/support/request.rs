//! Authorization requests, and the answers that reach the client.

use std::collections::BTreeMap;

use url::Url;

use super::{assert_description, browser::Landing, random};

/// What a plan's variant fixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// `response_type`
    pub(crate) response_type: &'static str,
    /// Whether `response_mode` is `form_post`; the response type's own otherwise.
    pub(crate) form_post: bool,
    /// How clients authenticate at the token endpoint.
    pub(crate) authentication: Authentication,
}

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Basic,
    Post,
    PrivateKey,
}

impl Flow {
    pub(crate) const fn new(response_type: &'static str) -> Self {
        Self {
            response_type,
            form_post: false,
            authentication: Authentication::Basic,
        }
    }

    pub(crate) const fn form_post(self) -> Self {
        Self {
            form_post: true,
            ..self
        }
    }

    pub(crate) const fn with(self, authentication: Authentication) -> Self {
        Self {
            authentication,
            ..self
        }
    }

    /// Whether the response type has this part.
    pub(crate) fn has(self, part: &str) -> bool {
        self.response_type.split(' ').any(|known| known == part)
    }

    /// Whether there is an access token at the end.
    pub(crate) fn is_id_token_only(self) -> bool {
        self.response_type == "id_token"
    }

    /// What reached the client, in the way that this flow asks for.
    pub(crate) fn response(self, landing: Landing, redirect_uri: &str) -> Response {
        let registered = Url::parse(redirect_uri).unwrap();
        let parse = |text: &str| -> Vec<(String, String)> {
            let pairs = url::form_urlencoded::parse(text.as_bytes());
            pairs.into_owned().collect()
        };
        let (url, pairs) = match landing {
            Landing::Posted(action, fields) if self.form_post => {
                assert_eq!(action, registered);
                (action, fields)
            }
            Landing::Redirected(mut url) if !self.form_post && self.response_type == "code" => {
                assert_eq!(url.fragment(), None);
                let query = url.query().unwrap().to_owned();
                let own = registered.query().unwrap_or_default();
                let rest = query.strip_prefix(own).unwrap().trim_start_matches('&');
                let pairs = parse(rest);
                url.set_query(registered.query());
                (url, pairs)
            }
            Landing::Redirected(mut url) if !self.form_post => {
                let pairs = parse(url.fragment().unwrap());
                url.set_fragment(None);
                (url, pairs)
            }
            other => panic!("another response mode than {self:?} has: {other:?}"),
        };
        assert_eq!(url, registered, "the rest is as it was registered");
        let parameters: BTreeMap<String, String> = pairs.iter().cloned().collect();
        assert_eq!(parameters.len(), pairs.len(), "twice the same: {pairs:?}");
        Response(parameters)
    }
}

/// An authorization request.
#[derive(Clone, Debug)]
pub(crate) struct Request(Vec<(String, String)>);

impl Request {
    pub(crate) fn new(flow: Flow, client: &str, redirect_uri: &str) -> Self {
        let request = Self(Vec::new())
            .with("client_id", client)
            .with("redirect_uri", redirect_uri)
            .with("scope", "openid")
            .with("state", &random(10))
            .with("nonce", &random(10))
            .with("response_type", flow.response_type);
        if flow.form_post {
            return request.with("response_mode", "form_post");
        }
        request
    }

    /// With this value.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// The other way round.
    pub(crate) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    pub(crate) fn url(&self, endpoint: &str) -> String {
        Url::parse_with_params(endpoint, &self.0).unwrap().into()
    }
}

/// The parameters of an authorization response.
#[derive(Clone, Debug)]
pub(crate) struct Response(pub(crate) BTreeMap<String, String>);

impl Response {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What every response has (RFC 6749 §4.1.2, RFC 9207 §2).
    fn check(&self, request: &Request, issuer: &str) {
        assert_eq!(self.get("state"), request.get("state"));
        assert_eq!(self.get("iss"), Some(issuer));
    }

    /// The success of a flow: what the response type names, and nothing else of that kind.
    pub(crate) fn assert_success(&self, flow: Flow, request: &Request, issuer: &str) {
        assert_eq!(self.get("error"), None, "{self:?}");
        self.check(request, issuer);
        assert_eq!(self.get("code").is_some(), flow.has("code"));
        assert_eq!(self.get("id_token").is_some(), flow.has("id_token"));
        assert_eq!(self.get("access_token").is_some(), flow.has("token"));
        if flow.has("token") {
            let kind = self.get("token_type").unwrap();
            assert!(kind.eq_ignore_ascii_case("bearer"));
            assert!(self.get("expires_in").unwrap().parse::<u32>().unwrap() > 0);
        }
    }

    /// One of these errors (RFC 6749 §4.1.2.1), and nothing beside it.
    pub(crate) fn assert_error(&self, codes: &[&str], request: &Request, issuer: &str) {
        let code = self.get("error").unwrap_or_else(|| panic!("{self:?}"));
        assert!(codes.contains(&code), "{self:?}");
        self.check(request, issuer);
        let known = [
            "error",
            "error_description",
            "error_uri",
            "state",
            "iss",
            "session_state",
        ];
        for name in self.0.keys() {
            assert!(known.contains(&name.as_str()), "{self:?}");
        }
        assert_description(self.get("error_description"));
    }
}
