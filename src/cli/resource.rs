//! `resource`: resource servers, the APIs that tokens are for (RFC 8707).

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global, registrar};
use crate::{
    application::{
        commands::register_resource::{Registration, register_resource},
        registrar::RegistrarError,
    },
    domain::{client::AccessTokenFormat, id::ClientId, resource::ResourceServer, scope::Scope},
};

#[derive(Debug, Subcommand)]
pub(super) enum ResourceVerb {
    /// Make a resource server known, or change it
    ///
    /// Example: countersign resource add <https://api.example.com> --name Reports --scope "reports:read reports:write"
    Add {
        /// Its resource indicator, an absolute URI: the audience of its tokens
        identifier: String,
        /// What users are shown
        #[arg(long)]
        name: Option<String>,
        /// The scope values that it understands
        #[arg(long, default_value_t)]
        scope: Scope,
        /// Shape of its access tokens (jwt or opaque); the client decides where absent
        #[arg(long)]
        access_token_format: Option<AccessTokenFormat>,
        /// The client that may introspect its tokens
        #[arg(long, value_name = "CLIENT")]
        introspection_client: Option<String>,
    },
    /// List all resource servers
    List,
}

pub(super) async fn run(global: &Global, verb: ResourceVerb) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    match verb {
        ResourceVerb::Add {
            identifier,
            name,
            scope,
            access_token_format,
            introspection_client,
        } => {
            let server = ResourceServer {
                name: name.unwrap_or_else(|| identifier.clone()),
                identifier,
                scope,
                access_token_format,
                introspection_client: introspection_client.map(ClientId::new),
            };
            register_resource(&registrar, &server, Registration::Put).await?;
            global.output().print(&json!(server), line(&server))
        }
        ResourceVerb::List => {
            let servers = registrar.store.reader().resource_servers().await;
            let servers = servers.map_err(RegistrarError::from)?;
            let lines: Vec<_> = servers.iter().map(line).collect();
            global.output().print(&json!(servers), lines.join("\n"))
        }
    }
}

fn line(server: &ResourceServer) -> String {
    format!("{:40} {}  {}", server.identifier, server.name, server.scope)
}
