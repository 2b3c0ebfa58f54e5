//! `perform`: a grant from the point of view of an application, at any issuer.

mod code;

use clap::Subcommand;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    CliError, Global,
    decoded::Decoded,
    remote::{AsClient, Issuer, Provider, read_input},
};

/// What every grant can ask for.
#[derive(Debug, clap::Args)]
pub(super) struct Wish {
    /// What to ask for, values separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// An API that the tokens are for (RFC 8707); may be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
}

impl Wish {
    fn fields(&self) -> Vec<(&str, &str)> {
        let scope = self.scope.iter().map(|scope| ("scope", scope.as_str()));
        let resources = self.resources.iter().map(|at| ("resource", at.as_str()));
        scope.chain(resources).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum PerformVerb {
    /// Sign a user in with a browser: authorization code with PKCE (RFC 6749 §4.1, RFC 7636)
    ///
    /// Prints the address to open, waits for the answer on this machine, redeems the code, verifies the ID
    /// token and shows all tokens. The client needs this redirect URI; native ones may have any port. Example:
    /// countersign perform code --client my-app --scope "openid profile"
    Code(Box<code::PerformCode>),
    /// Use a refresh token, read from standard input (RFC 6749 §6)
    ///
    /// It counts once: keep the new one. Example:
    /// countersign perform refresh --client my-app < refresh-token
    Refresh {
        #[command(flatten)]
        client: AsClient,
        #[command(flatten)]
        issuer: Issuer,
        #[command(flatten)]
        wish: Wish,
    },
    /// Get a token for the client itself (RFC 6749 §4.4)
    ///
    /// Example: countersign perform client-credentials --client my-job --secret-file secret
    ClientCredentials {
        #[command(flatten)]
        client: AsClient,
        #[command(flatten)]
        issuer: Issuer,
        #[command(flatten)]
        wish: Wish,
    },
}

pub(super) async fn run(global: &Global, verb: PerformVerb) -> Result<(), CliError> {
    match verb {
        PerformVerb::Code(perform) => perform.run(global).await,
        PerformVerb::Refresh {
            client,
            issuer,
            wish,
        } => {
            let token = Zeroizing::new(read_input()?.trim().to_owned());
            if token.is_empty() {
                return Err(CliError::usage("there is no token on standard input"));
            }
            let provider = issuer.discover(global).await?;
            let mut fields = wish.fields();
            fields.push(("refresh_token", &token));
            let answer = tokens(&provider, &client, "refresh_token", &fields).await?;
            show(global, &answer)
        }
        PerformVerb::ClientCredentials {
            client,
            issuer,
            wish,
        } => {
            let provider = issuer.discover(global).await?;
            let fields = wish.fields();
            let answer = tokens(&provider, &client, "client_credentials", &fields).await?;
            show(global, &answer)
        }
    }
}

/// The token endpoint's answer to a grant.
async fn tokens(
    provider: &Provider,
    client: &AsClient,
    grant: &str,
    fields: &[(&str, &str)],
) -> Result<Map<String, Value>, CliError> {
    let mut fields = fields.to_vec();
    fields.push(("grant_type", grant));
    provider.post("token_endpoint", client, &fields).await
}

/// The members of an answer that may be JWTs.
const TOKENS: [&str; 3] = ["access_token", "id_token", "refresh_token"];

/// Prints the answer: the tokens to copy, and what they say.
fn show(global: &Global, answer: &Map<String, Value>) -> Result<(), CliError> {
    let token = |name: &'static str| Some((name, answer.get(name)?.as_str()?));
    let tokens: Vec<_> = TOKENS.into_iter().filter_map(token).collect();
    let decoded = tokens
        .iter()
        .filter_map(|(name, token)| Some((*name, Decoded::of(token)?)));
    let decoded: Vec<_> = decoded.collect();
    let json: Map<_, _> = decoded
        .iter()
        .map(|(name, token)| ((*name).to_owned(), token.json()))
        .collect();
    let rest = answer
        .iter()
        .filter(|(name, _)| !TOKENS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name:13} {value}"));
    let raw = tokens
        .iter()
        .map(|(name, token)| format!("{name:13} {token}"));
    let said = decoded
        .iter()
        .map(|(name, token)| format!("\n{name} says\n{}", token.text()));
    let text: Vec<_> = rest.chain(raw).chain(said).collect();
    let json = json!({ "answer": answer, "decoded": json });
    global.output().print(&json, text.join("\n"))
}
