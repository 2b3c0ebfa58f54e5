//! `client change`: every setting as a flag.

use super::settings::Settings;
use crate::{
    application::commands::edit_client::{Change, ClientEdit},
    cli::CliError,
};

const EXAMPLES: &str = "\
Examples:
  Other addresses, all of them:
    countersign client change shop --redirect-uri https://shop.example/callback --redirect-uri https://shop.example/silent
  Shorter lives, and back to the server's:
    countersign client change shop --access-token-lifetime 5m --refresh-idle 7d
    countersign client change shop --unset access-token-lifetime --unset refresh-idle
  What users are shown:
    countersign client change shop --name Shop --logo-uri https://shop.example/logo.svg --policy-uri https://shop.example/privacy";

/// Settings that need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Unset {
    PostLogoutRedirectUri,
    Resource,
    Origin,
    ResponseMode,
    ResponseType,
    AccessTokenLifetime,
    IdTokenLifetime,
    RefreshIdle,
    RefreshAbsolute,
    RefreshGrace,
    DefaultMaxAge,
    ClientUri,
    LogoUri,
    PolicyUri,
    TosUri,
    InitiateLoginUri,
    JwksUri,
    RequestUri,
    RequestObjectAlg,
    UserinfoAlg,
    IdTokenEncryption,
    UserinfoEncryption,
    RequestObjectEncryption,
    FrontchannelLogoutUri,
    BackchannelLogoutUri,
    RequestsPerMinute,
}

/// What `client change` takes. A list replaces the one that there is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ClientChanges {
    /// What users are shown
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Take a setting away, or empty a list, so that the server's or the usual holds; may be repeated
    #[arg(long, value_enum, value_name = "SETTING")]
    unset: Vec<Unset>,
}

impl ClientChanges {
    pub(in crate::cli) fn edit(self) -> Result<ClientEdit, CliError> {
        let mut edit = ClientEdit {
            name: self.name,
            ..self.settings.edit()?
        };
        for setting in self.unset {
            setting.unset(&mut edit);
        }
        Ok(edit)
    }
}

impl Unset {
    fn unset(self, edit: &mut ClientEdit) {
        match self {
            Self::PostLogoutRedirectUri => edit.post_logout_redirect_uris = Some(Vec::new()),
            Self::Resource => edit.resources = Some(Vec::new()),
            Self::Origin => edit.origins = Some(Vec::new()),
            Self::ResponseMode => edit.response_modes = Some([].into()),
            Self::ResponseType => edit.response_types = Some([].into()),
            Self::AccessTokenLifetime => edit.access_token_lifetime = Change::Unset,
            Self::IdTokenLifetime => edit.id_token_lifetime = Change::Unset,
            Self::RefreshIdle => edit.refresh_idle = Change::Unset,
            Self::RefreshAbsolute => edit.refresh_absolute = Change::Unset,
            Self::RefreshGrace => edit.refresh_grace = Change::Unset,
            Self::DefaultMaxAge => edit.default_max_age = Change::Unset,
            Self::ClientUri => edit.client_uri = Change::Unset,
            Self::LogoUri => edit.logo_uri = Change::Unset,
            Self::PolicyUri => edit.policy_uri = Change::Unset,
            Self::TosUri => edit.tos_uri = Change::Unset,
            Self::InitiateLoginUri => edit.initiate_login_uri = Change::Unset,
            Self::JwksUri => edit.jwks_uri = Change::Unset,
            Self::RequestUri => edit.request_uris = Some(Vec::new()),
            Self::RequestObjectAlg => edit.request_object_algorithm = Change::Unset,
            Self::UserinfoAlg => edit.userinfo_algorithm = Change::Unset,
            Self::IdTokenEncryption => edit.id_token_encryption = Change::Unset,
            Self::UserinfoEncryption => edit.userinfo_encryption = Change::Unset,
            Self::RequestObjectEncryption => edit.request_object_encryption = Change::Unset,
            Self::FrontchannelLogoutUri => edit.frontchannel_logout_uri = Change::Unset,
            Self::BackchannelLogoutUri => edit.backchannel_logout_uri = Change::Unset,
            Self::RequestsPerMinute => edit.requests_per_minute = Change::Unset,
        }
    }
}
