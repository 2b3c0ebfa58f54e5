//! A browser as far as the modules need one: cookies, redirects, our forms, and the page that posts itself.

use std::collections::BTreeMap;

use conformance::provider::{PASSWORD, USERNAME};
use reqwest::{Method, RequestBuilder, Response, header};
use url::Url;

use super::{
    page::{Form, Page},
    provider::Op,
};

/// A browser with its cookies.
pub(crate) struct Browser {
    op: &'static Op,
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
    /// How often it logged a user in.
    pub(crate) logins: usize,
    /// The last consent page that it saw.
    pub(crate) consent: Option<Page>,
}

/// Where a visit ended.
#[derive(Debug)]
pub(crate) enum Landing {
    /// At the client, by a redirect.
    Redirected(Url),
    /// At the client, by a page that posts itself.
    Posted(Url, Vec<(String, String)>),
    /// On one of our own pages.
    Page(Page),
}

impl Landing {
    /// One of our own pages.
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            other => panic!("the browser left us: {other:?}"),
        }
    }
}

impl Browser {
    /// A browser that has never been here.
    pub(crate) fn new(op: &'static Op) -> Self {
        Self {
            op,
            http: super::http(&op.certificate),
            cookies: BTreeMap::new(),
            logins: 0,
            consent: None,
        }
    }

    /// A cookie that scripts of our origin could read.
    pub(crate) fn cookie(&self, name: &str) -> &str {
        self.cookies.get(name).map_or("", String::as_str)
    }

    /// Opens an address and does what a user does, until the way ends at a client or on another page than
    /// those for login and consent.
    pub(crate) async fn visit(&mut self, url: &str) -> Landing {
        let response = self.send(Method::GET, url, &[]).await;
        self.go_on(url.to_owned(), response).await
    }

    /// The same, beginning with a form that another site's page posts.
    pub(crate) async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Landing {
        let response = self.send(Method::POST, url, fields).await;
        self.go_on(url.to_owned(), response).await
    }

    /// Sends a form of a page, with the fields that the user filled in.
    pub(crate) async fn submit(
        &mut self,
        page: &Page,
        form: Form,
        filled: &[(&str, &str)],
    ) -> Landing {
        let (url, response) = self.sent(page, form, filled).await;
        self.go_on(url, response).await
    }

    async fn sent(
        &mut self,
        page: &Page,
        form: Form,
        filled: &[(&str, &str)],
    ) -> (String, Response) {
        assert_eq!(form.method, "post");
        let url = Url::parse(&page.url).unwrap().join(&form.action).unwrap();
        let mut fields = form.fields;
        fields.extend(
            filled
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        let response = self.send(Method::POST, url.as_str(), &fields).await;
        (url.into(), response)
    }

    async fn go_on(&mut self, mut url: String, mut response: Response) -> Landing {
        for _ in 0..12 {
            if response.status().is_redirection() {
                let location = response.headers()[header::LOCATION].to_str().unwrap();
                let next = Url::parse(&url).unwrap().join(location).unwrap();
                if !next.as_str().starts_with(&format!("{}/", self.op.issuer())) {
                    return Landing::Redirected(next);
                }
                url = next.into();
                response = self.send(Method::GET, &url, &[]).await;
                continue;
            }
            let page = Page {
                status: response.status().as_u16(),
                url: url.clone(),
                html: response.text().await.unwrap(),
            };
            if page.has("login") {
                self.logins += 1;
                let form = page.form_of("login");
                let filled = [("username", USERNAME), ("password", PASSWORD)];
                (url, response) = self.sent(&page, form, &filled).await;
            } else if page.has("approve") {
                let form = page.form_of("approve");
                (url, response) = self.sent(&page, form, &[("decision", "approve")]).await;
                self.consent = Some(page);
            } else if page.has("form_post") {
                let form = page.form_of("continue");
                let action = Url::parse(&form.action).unwrap();
                return Landing::Posted(action, form.fields);
            } else {
                return Landing::Page(page);
            }
        }
        panic!("the way does not end: {url}");
    }

    async fn send(&mut self, method: Method, url: &str, fields: &[(String, String)]) -> Response {
        let mut request = self.http.request(method.clone(), url);
        if method == Method::POST {
            request = request.form(fields);
        }
        let response = self.dressed(request).send().await.unwrap();
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// With cookies, and what a browser adds to forms of our own pages.
    fn dressed(&self, request: RequestBuilder) -> RequestBuilder {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        request
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ORIGIN, self.op.issuer())
            .header("sec-fetch-site", "same-origin")
    }
}
