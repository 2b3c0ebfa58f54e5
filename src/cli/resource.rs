//! `resource`: resource servers, the APIs that tokens are for (RFC 8707).

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global, confirm::Confirm, registrar};
use crate::{
    application::{
        commands::{
            delete_resource::delete_resource,
            register_resource::{Registration, register_resource},
        },
        registrar::{Registrar, RegistrarError},
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
    /// Change what is known of a resource server; what is not named stays
    ///
    /// Example: countersign resource change <https://api.example.com> --scope "reports:read reports:write"
    Change {
        /// Its resource indicator
        identifier: String,
        /// What users are shown
        #[arg(long)]
        name: Option<String>,
        /// The scope values that it understands, all of them
        #[arg(long)]
        scope: Option<Scope>,
        /// Shape of its access tokens (jwt or opaque)
        #[arg(long, conflicts_with = "any_access_token_format")]
        access_token_format: Option<AccessTokenFormat>,
        /// Let each client decide the shape of its access tokens
        #[arg(long)]
        any_access_token_format: bool,
        /// The client that may introspect its tokens
        #[arg(
            long,
            value_name = "CLIENT",
            conflicts_with = "no_introspection_client"
        )]
        introspection_client: Option<String>,
        /// Let no client introspect its tokens
        #[arg(long)]
        no_introspection_client: bool,
    },
    /// Remove a resource server: no client can ask for its tokens any more
    ///
    /// Every client loses it, and refresh tokens bring nothing for it. Running servers follow within a
    /// second. Example: countersign resource delete <https://api.example.com> --yes
    Delete {
        /// Its resource indicator
        identifier: String,
        #[command(flatten)]
        confirm: Confirm,
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
        ResourceVerb::Change {
            identifier,
            name,
            scope,
            access_token_format,
            any_access_token_format,
            introspection_client,
            no_introspection_client,
        } => {
            let mut server = known(&registrar, &identifier).await?;
            server.name = name.unwrap_or(server.name);
            server.scope = scope.unwrap_or(server.scope);
            server.access_token_format = access_token_format
                .or(server.access_token_format)
                .filter(|_| !any_access_token_format);
            server.introspection_client = introspection_client
                .map(ClientId::new)
                .or(server.introspection_client)
                .filter(|_| !no_introspection_client);
            register_resource(&registrar, &server, Registration::Change).await?;
            global.output().print(&json!(server), line(&server))
        }
        ResourceVerb::Delete {
            identifier,
            confirm,
        } => {
            let server = known(&registrar, &identifier).await?;
            confirm.ask(&format!(
                "Remove {} ({identifier}) for good? No client can ask for its tokens any more.",
                server.name
            ))?;
            delete_resource(&registrar, &identifier).await?;
            let text = format!("{identifier} is removed");
            global
                .output()
                .print(&json!({ "deleted": identifier }), text)
        }
        ResourceVerb::List => {
            let servers = registrar.store.reader().resource_servers().await;
            let servers = servers.map_err(RegistrarError::from)?;
            let lines: Vec<_> = servers.iter().map(line).collect();
            global.output().print(&json!(servers), lines.join("\n"))
        }
    }
}

async fn known(registrar: &Registrar, identifier: &str) -> Result<ResourceServer, CliError> {
    let found = registrar.store.reader().resource_server(identifier).await;
    let found = found.map_err(RegistrarError::from)?;
    Ok(found.ok_or_else(|| RegistrarError::NotFound("resource", identifier.to_owned()))?)
}

fn line(server: &ResourceServer) -> String {
    format!("{:40} {}  {}", server.identifier, server.name, server.scope)
}
