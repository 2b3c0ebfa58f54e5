//! Content Security Policy Level 3: one policy per page, built from what the page contains.
//!
//! Everything starts forbidden. A page adds its forms, its script (by nonce) and its frames, and nothing
//! that a client or a user supplied reaches the header except a parsed scheme or origin.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

/// A value that lets one page run its own script. It is fresh for every response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// 128 random bits, which the caller draws from its source of randomness.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a form's submission may lead, redirects included.
///
/// Chromium applies `form-action` to every redirect that follows a submission. After login or consent comes the
/// client's redirect URI, and many clients redirect once more, to an origin that only they know. A list of origins
/// therefore stops real sign-ins at the last step; what can be said is the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Onward {
    Https,
    /// Development clients and native applications on loopback. `http:` matches https as well.
    Http,
}

/// What may open a window on the page and keep a handle to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Severed,
    /// Applications may sign in through a popup window and wait for its message.
    Kept,
}

/// The security policy of one page.
#[derive(Clone, Debug)]
pub struct PagePolicy {
    own_forms: bool,
    onward: Option<Onward>,
    app_scheme: Option<String>,
    script: Option<Nonce>,
    frames: Vec<String>,
    opener: Opener,
    framed: bool,
}

impl PagePolicy {
    /// Our stylesheet and our images; no form, no script, no frame.
    pub fn bare() -> Self {
        Self {
            own_forms: false,
            onward: None,
            app_scheme: None,
            script: None,
            frames: Vec::new(),
            opener: Opener::Severed,
            framed: false,
        }
    }

    /// Forms that post to this server and stay here.
    #[must_use]
    pub fn own_forms(mut self) -> Self {
        self.own_forms = true;
        self
    }

    /// Forms whose submission ends, after redirects, at this redirect URI.
    #[must_use]
    pub fn forms_ending_at(mut self, target: &Url) -> Self {
        match target.scheme() {
            "https" => self.onward = Some(Onward::Https),
            "http" => self.onward = Some(Onward::Http),
            scheme => {
                self.onward = Some(Onward::Https);
                self.app_scheme = Some(scheme.to_owned());
            }
        }
        self
    }

    /// One script of our own, loaded with this nonce.
    #[must_use]
    pub fn script(mut self, nonce: Nonce) -> Self {
        self.script = Some(nonce);
        self
    }

    /// A frame of another origin: a client's front-channel logout.
    #[must_use]
    pub fn frame(mut self, source: &Url) -> Self {
        let origin = source.origin().ascii_serialization();
        if !self.frames.contains(&origin) {
            self.frames.push(origin);
        }
        self
    }

    /// Any page may hold this one in a frame. It shows nothing and has no form.
    #[must_use]
    pub fn framed_anywhere(mut self) -> Self {
        self.framed = true;
        self
    }

    /// Whether it may be held in a frame.
    pub(crate) fn is_framed(&self) -> bool {
        self.framed
    }

    /// Keeps the tie to the window that opened this page, for applications that sign in through a popup.
    #[must_use]
    pub fn keep_opener(mut self) -> Self {
        self.opener = Opener::Kept;
        self
    }

    /// The value of `Referrer-Policy`: nothing ever leaves this server.
    ///
    /// A page with our own forms must not say `no-referrer`, since browsers then post them with `Origin: null`
    /// (Fetch Standard, "append a request `Origin` header") and a strict check against cross-site posts would
    /// refuse its own pages.
    pub(crate) fn referrer_policy(&self) -> &'static str {
        if self.own_forms {
            "same-origin"
        } else {
            "no-referrer"
        }
    }

    /// The value of `Cross-Origin-Opener-Policy`.
    pub(crate) fn opener_policy(&self) -> &'static str {
        match self.opener {
            Opener::Severed => "same-origin",
            Opener::Kept => "unsafe-none",
        }
    }

    fn form_sources(&self) -> String {
        let mut sources = Vec::new();
        if self.own_forms {
            sources.push("'self'".to_owned());
        }
        if let Some(scheme) = &self.app_scheme {
            sources.push(format!("{scheme}:"));
        }
        match self.onward {
            Some(Onward::Https) => sources.push("https:".to_owned()),
            Some(Onward::Http) => sources.push("http:".to_owned()),
            None => {}
        }
        if sources.is_empty() {
            "'none'".to_owned()
        } else {
            sources.join(" ")
        }
    }
}

impl fmt::Display for PagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("default-src 'none'; style-src 'self'; img-src 'self'")?;
        if let Some(nonce) = &self.script {
            write!(f, "; script-src 'nonce-{nonce}'")?;
        }
        if !self.frames.is_empty() {
            write!(f, "; frame-src {}", self.frames.join(" "))?;
        }
        write!(
            f,
            "; form-action {}; base-uri 'none'; frame-ancestors {}",
            self.form_sources(),
            if self.framed { "*" } else { "'none'" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_bare_page_may_do_nothing() {
        assert_eq!(
            PagePolicy::bare().to_string(),
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        );
    }

    #[test]
    fn c140_every_policy_forbids_framing() {
        let policies = [
            PagePolicy::bare(),
            PagePolicy::bare().own_forms().keep_opener(),
            PagePolicy::bare().frame(&url("https://rp.example/logout")),
        ];
        for policy in policies {
            assert!(policy.to_string().ends_with("frame-ancestors 'none'"));
        }
    }

    #[test]
    fn a_web_client_may_redirect_onward_to_its_other_origins() {
        let policy = PagePolicy::bare()
            .own_forms()
            .forms_ending_at(&url("https://auth.example/cb"));
        assert!(policy.to_string().contains("form-action 'self' https:;"));
    }

    #[test]
    fn a_loopback_client_is_reached_on_any_port_and_address_family() {
        for target in [
            "http://127.0.0.1:49152/cb",
            "http://[::1]/cb",
            "http://localhost:3000/cb",
        ] {
            let policy = PagePolicy::bare().own_forms().forms_ending_at(&url(target));
            assert!(policy.to_string().contains("form-action 'self' http:;"));
        }
    }

    #[test]
    fn an_application_scheme_is_a_form_target() {
        let policy = PagePolicy::bare()
            .own_forms()
            .forms_ending_at(&url("com.example.app:/cb"));
        assert!(
            policy
                .to_string()
                .contains("form-action 'self' com.example.app: https:;")
        );
    }

    #[test]
    fn c165_a_script_needs_the_nonce_of_its_response() {
        let nonce = Nonce::from_random([7; 16]);
        let policy = PagePolicy::bare().script(nonce.clone()).to_string();
        assert!(policy.contains(&format!("; script-src 'nonce-{nonce}';")));
        assert!(!policy.contains("unsafe-inline"));
    }

    #[test]
    fn c165_no_page_sends_its_address_to_another_site() {
        assert_eq!(PagePolicy::bare().referrer_policy(), "no-referrer");
        // With `no-referrer` the browser would hide the origin of our own posts (case 139).
        assert_eq!(
            PagePolicy::bare().own_forms().referrer_policy(),
            "same-origin"
        );
    }

    #[test]
    fn a_popup_keeps_its_opener_only_where_applications_sign_in() {
        assert_eq!(PagePolicy::bare().opener_policy(), "same-origin");
        assert_eq!(
            PagePolicy::bare().keep_opener().opener_policy(),
            "unsafe-none"
        );
    }

    #[test]
    fn an_address_cannot_add_directives() {
        let frame = url("https://rp.example/a;script-src *;/out");
        let policy = PagePolicy::bare().frame(&frame).frame(&frame);
        let text = policy.to_string();
        assert!(text.contains("frame-src https://rp.example;"));
        assert!(!text.contains("script-src"));
    }
}
