//! The plans that are run, each with the variants that the server supports today.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const BASIC: &str = "oidcc-basic-certification-test-plan";
const FORM_POST_BASIC: &str = "oidcc-formpost-basic-certification-test-plan";
const CONFIG: &str = "oidcc-config-certification-test-plan";
const RP_LOGOUT: &str = "oidcc-rp-initiated-logout-certification-test-plan";
const WIDE: &str = "oidcc-test-plan";

/// How the two clients of a run authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// `private_key_jwt`
    PrivateKey,
    /// Public clients.
    None,
}

impl Authentication {
    /// The registered name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKey => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// How the authorization response travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMode {
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

/// One plan in one variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// By which the command line and the file of results call it.
    pub(crate) name: &'static str,
    /// The suite's name of the plan.
    pub(crate) plan: &'static str,
    /// How its clients authenticate.
    pub(crate) authentication: Authentication,
    /// How the authorization response travels.
    pub(crate) response_mode: ResponseMode,
}

/// Every run, the quick ones first.
pub(crate) const RUNS: &[Run] = &[
    run(
        "config",
        CONFIG,
        Authentication::Basic,
        ResponseMode::Default,
    ),
    run("basic", BASIC, Authentication::Basic, ResponseMode::Default),
    run(
        "form-post-basic",
        FORM_POST_BASIC,
        Authentication::Basic,
        ResponseMode::FormPost,
    ),
    run(
        "rp-initiated-logout",
        RP_LOGOUT,
        Authentication::Basic,
        ResponseMode::Default,
    ),
    run(
        "wide-basic",
        WIDE,
        Authentication::Basic,
        ResponseMode::Default,
    ),
    run(
        "wide-post",
        WIDE,
        Authentication::Post,
        ResponseMode::Default,
    ),
    run(
        "wide-private-key",
        WIDE,
        Authentication::PrivateKey,
        ResponseMode::Default,
    ),
    run(
        "wide-none",
        WIDE,
        Authentication::None,
        ResponseMode::Default,
    ),
    run(
        "wide-basic-form-post",
        WIDE,
        Authentication::Basic,
        ResponseMode::FormPost,
    ),
    run(
        "wide-post-form-post",
        WIDE,
        Authentication::Post,
        ResponseMode::FormPost,
    ),
    run(
        "wide-private-key-form-post",
        WIDE,
        Authentication::PrivateKey,
        ResponseMode::FormPost,
    ),
    run(
        "wide-none-form-post",
        WIDE,
        Authentication::None,
        ResponseMode::FormPost,
    ),
];

const fn run(
    name: &'static str,
    plan: &'static str,
    authentication: Authentication,
    response_mode: ResponseMode,
) -> Run {
    Run {
        name,
        plan,
        authentication,
        response_mode,
    }
}

impl Run {
    /// The variants that the plan leaves to choose.
    pub(crate) fn variants(&self) -> BTreeMap<&'static str, &'static str> {
        let chosen: &[(&str, &str)] = match self.plan {
            BASIC | FORM_POST_BASIC => &[
                ("server_metadata", "discovery"),
                ("client_registration", "static_client"),
            ],
            RP_LOGOUT => &[
                ("response_type", "code"),
                ("client_registration", "static_client"),
            ],
            WIDE => &[
                ("response_type", "code"),
                ("client_registration", "static_client"),
                ("client_auth_type", self.authentication.as_str()),
                ("response_mode", self.response_mode.as_str()),
            ],
            _ => &[],
        };
        chosen.iter().copied().collect()
    }

    /// For which algorithms the provider has keys. Where keys are rotated there is none of type OKP
    /// (RFC 8037): the suite cannot compare such keys and fails.
    pub(crate) fn algorithms(&self) -> &'static [&'static str] {
        match self.plan {
            WIDE => &["RS256", "PS256", "ES256"],
            _ => &["RS256", "PS256", "ES256", "EdDSA"],
        }
    }

    /// The variants as one JSON object.
    pub(crate) fn variant(&self) -> Value {
        json!(self.variants())
    }
}
