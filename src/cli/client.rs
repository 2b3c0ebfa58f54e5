//! `client`: applications that ask for tokens.

mod change;
mod create;
mod rights;
mod settings;
mod snippets;

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use self::{change::ClientChanges, create::CreateClient, rights::Rights};
use super::{
    CliError, Global,
    confirm::Confirm,
    registrar::{self, secret_from_stdin},
};
use crate::{
    application::{
        commands::{
            change_client::{delete_client, rotate_client_secret, set_client_status},
            edit_client::{Change, ClientEdit, edit_client},
            register_client::Registered,
        },
        ports::Page,
        registrar::{Registrar, RegistrarError},
    },
    config::{Config, parse_duration},
    domain::{
        client::{Client, ClientStatus},
        id::ClientId,
    },
};

/// Clients read at once.
const PAGE: u64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum ClientVerb {
    /// Register an application
    Create(Box<CreateClient>),
    /// List all clients
    List,
    /// Show one client
    Show {
        /// `client_id`
        client: String,
    },
    /// Give a client a new secret; the old one works for a while yet
    ///
    /// Example: countersign client rotate-secret shop --overlap 7d
    RotateSecret {
        /// `client_id`
        client: String,
        /// How long the present secrets work yet; 0s ends them at once
        #[arg(long, default_value = "24h", value_parser = duration)]
        overlap: std::time::Duration,
        /// Read the new secret from standard input instead of generating one
        #[arg(long)]
        secret_stdin: bool,
        /// Keep the new secret encrypted besides its digest: HS256 and the like need it
        #[arg(long)]
        readable: bool,
    },
    /// Change what is registered; a list replaces the one that there is
    Change {
        /// `client_id`
        client: String,
        #[command(flatten)]
        changes: Box<ClientChanges>,
    },
    /// Change how much a client may ask in a minute, at each endpoint
    ///
    /// Example: countersign client limit importer 600
    Limit {
        /// `client_id`
        client: String,
        /// Requests in a minute; the server's `limits.requests_per_client` where absent
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        requests_per_minute: Option<u64>,
    },
    /// Say anew what a client may ask of its users' rights; what is not said is the default
    ///
    /// Example: countersign client set-rights shop --allow-permission 'order:*' --map-like-keycloak
    SetRights {
        /// `client_id`
        client: String,
        #[command(flatten)]
        rights: Box<Rights>,
    },
    /// Stop a client; its tokens die
    Disable {
        /// `client_id`
        client: String,
    },
    /// Let a client work again
    Enable {
        /// `client_id`
        client: String,
    },
    /// Remove a client with its grants and consents
    ///
    /// To stop it and keep it: countersign client disable. Example: countersign client delete shop --yes
    Delete {
        /// `client_id`
        client: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 90s, 24h or 7d".to_owned())
}

pub(super) async fn run(global: &Global, verb: ClientVerb) -> Result<(), CliError> {
    let (registrar, config) = registrar::open(global).await?;
    match verb {
        ClientVerb::Create(create) => {
            let registered = create.run(&registrar).await?;
            print_registered(global, &config, &registered)
        }
        ClientVerb::List => list(global, &registrar).await,
        ClientVerb::Show { client } => {
            let id = ClientId::new(client);
            let found = registrar.store.reader().client(&id).await;
            let found = found.map_err(RegistrarError::from)?;
            let not_found = || RegistrarError::NotFound("client", id.to_string());
            let client = found.ok_or_else(not_found)?;
            let json = metadata(&client);
            let text = format!("{json:#}");
            global.output().print(&json, text)
        }
        ClientVerb::RotateSecret {
            client,
            overlap,
            secret_stdin,
            readable,
        } => {
            let given = secret_stdin.then(secret_from_stdin).transpose()?;
            let id = ClientId::new(client);
            let how = (overlap, readable);
            let rotated = rotate_client_secret(&registrar, &id, given.as_ref(), how).await?;
            print_rotated(global, &rotated)
        }
        ClientVerb::Change { client, changes } => {
            let id = ClientId::new(client);
            let client = edit_client(&registrar, &id, changes.edit()?).await?;
            let json = metadata(&client);
            let text = format!("{json:#}");
            global.output().print(&json, text)
        }
        ClientVerb::Limit {
            client,
            requests_per_minute,
        } => {
            let id = ClientId::new(client);
            let edit = ClientEdit {
                requests_per_minute: requests_per_minute.map_or(Change::Unset, Change::Set),
                ..ClientEdit::default()
            };
            let client = edit_client(&registrar, &id, edit).await?;
            let text = match requests_per_minute {
                Some(number) => format!("{id} may ask {number} times a minute"),
                None => format!("{id} may ask as much as any client"),
            };
            global.output().print(&metadata(&client), text)
        }
        ClientVerb::SetRights { client, rights } => {
            let id = ClientId::new(client);
            let edit = ClientEdit {
                rights: Some(rights.parse()?),
                ..ClientEdit::default()
            };
            let client = edit_client(&registrar, &id, edit).await?;
            let rights = json!(client.rights);
            let text = format!("{id}\n{rights:#}");
            global.output().print(&metadata(&client), text)
        }
        ClientVerb::Disable { client } => {
            set_status(global, &registrar, client, ClientStatus::Inactive).await
        }
        ClientVerb::Enable { client } => {
            set_status(global, &registrar, client, ClientStatus::Active).await
        }
        ClientVerb::Delete { client, confirm } => {
            confirm.ask(&format!("Remove the client {client} for good?"))?;
            let id = ClientId::new(client);
            delete_client(&registrar, &id).await?;
            let json = json!({ "client_id": id, "deleted": true });
            global.output().print(&json, format!("{id} is deleted"))
        }
    }
}

async fn set_status(
    global: &Global,
    registrar: &Registrar,
    client: String,
    status: ClientStatus,
) -> Result<(), CliError> {
    let client = set_client_status(registrar, &ClientId::new(client), status).await?;
    let word = match client.status {
        ClientStatus::Active => "active",
        ClientStatus::Inactive => "inactive",
    };
    let text = format!("{} is {word}", client.id);
    global.output().print(&metadata(&client), text)
}

async fn list(global: &Global, registrar: &Registrar) -> Result<(), CliError> {
    let mut all: Vec<Client> = Vec::new();
    loop {
        let page = Page {
            after: all.last().map(|client| client.id.as_str().to_owned()),
            limit: PAGE,
        };
        let clients = registrar.store.reader().clients(&page).await;
        let clients = clients.map_err(RegistrarError::from)?;
        if clients.is_empty() {
            break;
        }
        all.extend(clients);
    }
    let line = |client: &Client| {
        let status = match client.status {
            ClientStatus::Active => "active",
            ClientStatus::Inactive => "inactive",
        };
        let kind = client.kind.as_str();
        format!(
            "{:36} {kind:8} {status:9} {}",
            client.id.as_str(),
            client.name
        )
    };
    let lines: Vec<_> = all.iter().map(line).collect();
    let json: Vec<_> = all.iter().map(metadata).collect();
    global.output().print(&json.into(), lines.join("\n"))
}

/// What is registered, without the digests of secrets.
fn metadata(client: &Client) -> Value {
    let mut json = json!(client);
    if let Some(members) = json.as_object_mut() {
        members.remove("authentication");
        let method = client.authentication.method();
        members.insert("token_endpoint_auth_method".into(), json!(method));
        let ends = client.authentication.secrets().iter();
        let ends: Vec<_> = ends
            .map(|secret| json!({ "expires_at": secret.expires_at }))
            .collect();
        if !ends.is_empty() {
            members.insert("secrets".into(), ends.into());
        }
    }
    json
}

fn print_registered(
    global: &Global,
    config: &Config,
    registered: &Registered,
) -> Result<(), CliError> {
    let client = &registered.client;
    let secret = registered.secret.as_ref().map(ExposeSecret::expose_secret);
    let json = json!({
        "client_id": client.id,
        "client_secret": secret,
        "client": metadata(client),
    });
    let secret_line = secret.map_or(String::new(), |secret| {
        format!("client_secret  {secret}\n               (shown only now: keep it safe)\n")
    });
    let text = format!(
        "client_id      {}\n{secret_line}issuer         {}\n\n{}",
        client.id,
        config.issuer,
        snippets::snippet(client, config.issuer.as_str())
    );
    global.output().print(&json, text)
}

fn print_rotated(global: &Global, rotated: &Registered) -> Result<(), CliError> {
    let client = &rotated.client;
    let secret = rotated.secret.as_ref().map(ExposeSecret::expose_secret);
    let json = json!({
        "client_id": client.id,
        "client_secret": secret,
        "client": metadata(client),
    });
    let text = format!(
        "client_id      {}\nclient_secret  {}\n               (shown only now: keep it safe)",
        client.id,
        secret.unwrap_or_default()
    );
    global.output().print(&json, text)
}
