//! `client create`: presets by kind of application, widened by flags.

use super::settings::Settings;
use crate::{
    application::{
        commands::{
            edit_client::ClientEdit,
            register_client::{RegisterClient, Registered, register_client},
        },
        registrar::Registrar,
    },
    cli::{CliError, registrar::secret_from_stdin},
    domain::client::{ClientAuthMethod, ClientKind, PkcePolicy},
};

const EXAMPLES: &str = "\
Examples:
  A script in the browser:
    countersign client create --spa --name Shop --redirect-uri https://shop.example/callback --origin https://shop.example
  A web application with a server:
    countersign client create --web --name Intranet --redirect-uri https://intra.example/callback
  A program on the user's device:
    countersign client create --native --name Notes --redirect-uri http://127.0.0.1/callback
  A service that acts for itself:
    countersign client create --service --name Importer --scope \"reports:write\" --resource https://api.example.com";

/// What `client create` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct CreateClient {
    #[command(flatten)]
    kind: Kind,
    /// What users are shown
    #[arg(long)]
    name: String,
    /// `client_id`; generated where absent
    #[arg(long)]
    client_id: Option<String>,
    /// How it authenticates: `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt`, `tls_client_auth`, `self_signed_tls_client_auth` or none
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<ClientAuthMethod>,
    /// Read the secret from standard input instead of generating one
    #[arg(long)]
    secret_stdin: bool,
    /// The same as `--pkce optional`
    #[arg(long, conflicts_with = "pkce")]
    pkce_optional: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Which kind of application it is: one flag of four.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and clap sees to it that there is one"
)]
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Kind {
    /// A script in the browser: public, PKCE
    #[arg(long)]
    spa: bool,
    /// A web application with a server of its own: has a secret
    #[arg(long)]
    web: bool,
    /// A program on the user's device: public, PKCE
    #[arg(long)]
    native: bool,
    /// A program that acts for itself (client credentials)
    #[arg(long)]
    service: bool,
}

impl Kind {
    fn parse(&self) -> ClientKind {
        match (self.spa, self.web, self.native) {
            (true, ..) => ClientKind::Spa,
            (_, true, _) => ClientKind::Web,
            (.., true) => ClientKind::Native,
            _ => ClientKind::Service,
        }
    }
}

impl CreateClient {
    pub(in crate::cli) async fn run(self, registrar: &Registrar) -> Result<Registered, CliError> {
        let mut settings = ClientEdit {
            name: Some(self.name),
            ..self.settings.edit()?
        };
        if self.pkce_optional {
            settings.pkce = Some(PkcePolicy::Optional);
        }
        let command = RegisterClient {
            id: self.client_id,
            authentication: self.auth_method,
            secret: self.secret_stdin.then(secret_from_stdin).transpose()?,
            ..RegisterClient::with(self.kind.parse(), settings)
        };
        Ok(register_client(registrar, command).await?)
    }
}
