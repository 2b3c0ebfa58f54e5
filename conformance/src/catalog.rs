//! The plans that are run, each in its variants.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The plans of the profiles that fix their response types.
const CERTIFICATION: [(&str, &str); 6] = [
    ("basic", "oidcc-basic-certification-test-plan"),
    ("implicit", "oidcc-implicit-certification-test-plan"),
    ("hybrid", "oidcc-hybrid-certification-test-plan"),
    (
        "form-post-basic",
        "oidcc-formpost-basic-certification-test-plan",
    ),
    (
        "form-post-implicit",
        "oidcc-formpost-implicit-certification-test-plan",
    ),
    (
        "form-post-hybrid",
        "oidcc-formpost-hybrid-certification-test-plan",
    ),
];
/// The plans about the end of sessions, in each response type.
const LOGOUT: [(&str, &str); 4] = [
    (
        "rp-initiated-logout",
        "oidcc-rp-initiated-logout-certification-test-plan",
    ),
    (
        "session-management",
        "oidcc-session-management-certification-test-plan",
    ),
    (
        "frontchannel-logout",
        "oidcc-frontchannel-rp-initiated-logout-certification-test-plan",
    ),
    (
        "backchannel-logout",
        "oidcc-backchannel-rp-initiated-logout-certification-test-plan",
    ),
];
const THIRD_PARTY_LOGIN: &str = "oidcc-3rdparty-init-login-certification-test-plan";
const DYNAMIC: &str = "oidcc-dynamic-certification-test-plan";
const CONFIG: &str = "oidcc-config-certification-test-plan";
const WIDE: &str = "oidcc-test-plan";

/// How the two clients of a run authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// `client_secret_jwt`
    SecretJwt,
    /// `private_key_jwt`
    PrivateKey,
    /// `tls_client_auth`, of static clients: the suite registers a method that is none (`mtls`).
    Certificate,
    /// Public clients.
    None,
}

impl Authentication {
    const ALL: [Self; 6] = [
        Self::Basic,
        Self::Post,
        Self::SecretJwt,
        Self::PrivateKey,
        Self::Certificate,
        Self::None,
    ];

    /// What the suite calls it.
    fn variant(self) -> &'static str {
        match self {
            Self::Certificate => "mtls",
            Self::Basic | Self::Post | Self::SecretJwt | Self::PrivateKey | Self::None => {
                self.as_str()
            }
        }
    }

    /// For names of runs.
    fn short(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::SecretJwt => "secret-jwt",
            Self::PrivateKey => "private-key",
            Self::Certificate => "mtls",
            Self::None => "none",
        }
    }

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::SecretJwt => "client_secret_jwt",
            Self::PrivateKey => "private_key_jwt",
            Self::Certificate => "tls_client_auth",
            Self::None => "none",
        }
    }
}

/// How the authorization response travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// That of the response type.
    Default,
    /// By a page that posts itself.
    FormPost,
}

impl ResponseMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::FormPost => "form_post",
        }
    }
}

/// How the plan's clients come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// We register them.
    Static,
    /// The suite does (RFC 7591).
    Dynamic,
}

impl Registration {
    fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static_client",
            Self::Dynamic => "dynamic_client",
        }
    }

    /// What the provider is configured to.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Static => "closed",
            Self::Dynamic => "open",
        }
    }
}

/// Every response type of the suite.
const RESPONSE_TYPES: [&str; 6] = [
    "code",
    "code id_token",
    "code token",
    "code id_token token",
    "id_token",
    "id_token token",
];

/// One plan in one variant.
#[derive(Clone, Debug)]
pub struct Run {
    /// By which the command line and the file of results call it.
    pub name: String,
    /// The suite's name of the plan.
    pub plan: &'static str,
    /// How its clients authenticate.
    pub authentication: Authentication,
    /// How the authorization response travels.
    pub response_mode: ResponseMode,
    /// How its clients come into being.
    pub registration: Registration,
    /// What it asks for, where the plan leaves it to choose.
    response_type: Option<&'static str>,
}

/// Every run, the quick ones first.
pub fn runs() -> Vec<Run> {
    let mut runs = vec![Run::of("config", CONFIG)];
    for (name, plan) in CERTIFICATION {
        let mut run = Run::of(name, plan);
        if plan.contains("formpost") {
            run.response_mode = ResponseMode::FormPost;
        }
        runs.push(run.clone());
        runs.push(run.dynamic());
    }
    for response_type in RESPONSE_TYPES {
        let mut run = Run::of("dynamic", DYNAMIC).asking(response_type);
        run.registration = Registration::Dynamic;
        run.authentication = Authentication::PrivateKey;
        runs.push(run);
        let mut run = Run::of("third-party-login", THIRD_PARTY_LOGIN).asking(response_type);
        run.registration = Registration::Dynamic;
        runs.push(run);
    }
    for (name, plan) in LOGOUT {
        for response_type in RESPONSE_TYPES {
            let run = Run::of(name, plan).asking(response_type);
            runs.push(run.clone());
            runs.push(run.dynamic());
        }
    }
    runs.extend(wide());
    runs
}

fn wide() -> Vec<Run> {
    let mut runs = Vec::new();
    for response_type in RESPONSE_TYPES {
        for (response_mode, ending) in [
            (ResponseMode::Default, ""),
            (ResponseMode::FormPost, "-form-post"),
        ] {
            for authentication in Authentication::ALL {
                let name = format!("wide-{}", authentication.short());
                let mut run = Run::of(&name, WIDE).asking(response_type);
                run.name.push_str(ending);
                run.authentication = authentication;
                run.response_mode = response_mode;
                runs.push(run.clone());
                if authentication != Authentication::Certificate {
                    runs.push(run.dynamic());
                }
            }
        }
    }
    runs
}

impl Run {
    fn of(name: &str, plan: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            plan,
            authentication: Authentication::Basic,
            response_mode: ResponseMode::Default,
            registration: Registration::Static,
            response_type: None,
        }
    }

    /// The code flow has no ending of its own.
    fn asking(mut self, response_type: &'static str) -> Self {
        self.response_type = Some(response_type);
        if response_type != "code" {
            self.name.push('-');
            self.name.push_str(&response_type.replace(' ', "+"));
        }
        self
    }

    fn dynamic(mut self) -> Self {
        self.registration = Registration::Dynamic;
        self.name.push_str("-dynamic");
        self
    }

    /// The variants that the plan leaves to choose.
    pub fn variants(&self) -> BTreeMap<&'static str, &'static str> {
        let mut chosen = BTreeMap::new();
        if ![CONFIG, DYNAMIC, THIRD_PARTY_LOGIN].contains(&self.plan) {
            chosen.insert("client_registration", self.registration.as_str());
        }
        if CERTIFICATION.iter().any(|(_, plan)| *plan == self.plan) {
            chosen.insert("server_metadata", "discovery");
        }
        if let Some(response_type) = self.response_type {
            chosen.insert("response_type", response_type);
        }
        if self.plan == WIDE {
            chosen.insert("client_auth_type", self.authentication.variant());
            chosen.insert("response_mode", self.response_mode.as_str());
        }
        chosen
    }

    /// For which algorithms the provider has keys. Where keys are rotated there is none of type OKP
    /// (RFC 8037): the suite cannot compare such keys and fails.
    pub fn algorithms(&self) -> &'static [&'static str] {
        match self.plan {
            WIDE | DYNAMIC => &["RS256", "PS256", "ES256"],
            _ => &["RS256", "PS256", "ES256", "EdDSA"],
        }
    }

    /// What the provider offers: nothing beyond `code` where the plan has no use for it.
    pub fn response_types(&self) -> &'static [&'static str] {
        // Dynamic providers must offer the implicit flow too (OIDC Discovery §3).
        let is_dynamic =
            self.plan == DYNAMIC || self.plan == WIDE && self.registration == Registration::Dynamic;
        let is_code = self.plan == CONFIG
            || self.plan.contains("basic")
            || self.response_type == Some("code") && !is_dynamic;
        if is_code { &["code"] } else { &RESPONSE_TYPES }
    }

    /// The variants as one JSON object.
    pub fn variant(&self) -> Value {
        json!(self.variants())
    }
}
