//! What the visitor of the playground chooses: as which client it asks, and for what.

use openidconnect::core::CoreAuthPrompt;

use crate::{protocol::params::Params, web::pages::PlaygroundChoices};

/// What is asked for where nothing else is chosen; the server drops what the client may not have.
const SCOPE: &str = "openid profile email roles groups permissions offline_access";

/// As which kind of application the playground asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// With a secret, as a web application has one.
    #[default]
    Web,
    /// Without, as a script in the browser.
    Spa,
}

/// The choices of one walk.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// As which client.
    pub(super) role: Role,
    /// `scope`
    pub(super) scope: String,
    /// `prompt`
    pub(super) prompt: Option<CoreAuthPrompt>,
    /// `resource` (RFC 8707)
    pub(super) resource: Option<String>,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            role: Role::default(),
            scope: SCOPE.to_owned(),
            prompt: None,
            resource: None,
        }
    }
}

impl Choices {
    /// What the form says; the default for what it leaves out.
    pub(super) fn parse(form: &Params) -> Self {
        let text = |name| {
            form.get(name)
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        Self {
            role: match text("client") {
                Some("spa") => Role::Spa,
                _ => Role::Web,
            },
            scope: text("scope").unwrap_or(SCOPE).to_owned(),
            prompt: match text("prompt") {
                Some("none") => Some(CoreAuthPrompt::None),
                Some("login") => Some(CoreAuthPrompt::Login),
                Some("consent") => Some(CoreAuthPrompt::Consent),
                Some("select_account") => Some(CoreAuthPrompt::SelectAccount),
                _ => None,
            },
            resource: text("resource").map(str::to_owned),
        }
    }

    /// The same for the form.
    pub(super) fn shown(&self) -> PlaygroundChoices {
        PlaygroundChoices {
            client: match self.role {
                Role::Web => "web",
                Role::Spa => "spa",
            },
            scope: self.scope.clone(),
            prompt: self
                .prompt
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            resource: self.resource.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_form_is_the_default_and_an_unknown_choice_is_none() {
        let choices = Choices::parse(&Params::parse(b"scope=+&prompt=create&client=x"));
        assert_eq!(choices.scope, SCOPE);
        assert_eq!(choices.prompt, None);
        assert_eq!(choices.role, Role::Web);
    }

    #[test]
    fn what_was_chosen_stays_in_the_form() {
        let form = b"scope=openid&prompt=select_account&client=spa&resource=https://api.example";
        let shown = Choices::parse(&Params::parse(form)).shown();
        assert_eq!((shown.client, &*shown.scope), ("spa", "openid"));
        assert_eq!(shown.prompt, "select_account");
        assert_eq!(shown.resource, "https://api.example");
    }
}
