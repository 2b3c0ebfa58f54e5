//! `token`: what a token says, whether it still counts, and its end.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    CliError, Global,
    decoded::{Decoded, claims_text},
    remote::{AsClient, Issuer, read_input},
};

/// The token itself never is an argument: other users of this machine see those.
#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Show what a JWT says, read from standard input
    ///
    /// Nothing is sent anywhere, unless --verify asks for the keys of the issuer. Example:
    /// wl-paste | countersign token decode --verify
    Decode {
        /// Check the signature against the issuer's keys
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        issuer: Issuer,
    },
    /// Ask whether a token counts, and for what (RFC 7662); read from standard input
    ///
    /// Example: countersign token introspect --client my-api --secret-file secret < token
    Introspect {
        #[command(flatten)]
        client: AsClient,
        #[command(flatten)]
        issuer: Issuer,
    },
    /// End a token, and with a refresh token all that came of it (RFC 7009); read from standard input
    ///
    /// Example: countersign token revoke --client my-app < token
    Revoke {
        #[command(flatten)]
        client: AsClient,
        #[command(flatten)]
        issuer: Issuer,
    },
}

pub(super) async fn run(global: &Global, verb: TokenVerb) -> Result<(), CliError> {
    let token = Zeroizing::new(read_input()?.trim().to_owned());
    if token.is_empty() {
        return Err(CliError::usage("there is no token on standard input"));
    }
    match verb {
        TokenVerb::Decode { verify, issuer } => decode(global, &token, verify, &issuer).await,
        TokenVerb::Introspect { client, issuer } => {
            let provider = issuer.discover(global).await?;
            let fields = [("token", token.as_str())];
            let answer = provider.post("introspection_endpoint", &client, &fields);
            let answer = answer.await?;
            global.output().print(&json!(answer), counts(&answer))
        }
        TokenVerb::Revoke { client, issuer } => {
            let provider = issuer.discover(global).await?;
            let fields = [("token", token.as_str())];
            let answer = provider.post("revocation_endpoint", &client, &fields);
            answer.await?;
            let text = "it counts for nothing any more, if it was this client's";
            global.output().print(&json!({ "revoked": true }), text)
        }
    }
}

fn counts(answer: &Map<String, Value>) -> String {
    if answer.get("active") == Some(&json!(true)) {
        format!("active\n{}", claims_text(answer))
    } else {
        "not active: expired, revoked, unknown, or not for this client to ask about".to_owned()
    }
}

async fn decode(
    global: &Global,
    token: &str,
    verify: bool,
    issuer: &Issuer,
) -> Result<(), CliError> {
    let decoded = Decoded::of(token).ok_or_else(|| {
        CliError::failed("this is no JWT")
            .hint("an opaque token says nothing; ask its issuer: countersign token introspect")
    })?;
    let verdict = if verify {
        let provider = issuer.discover(global).await?;
        provider.verified(token).await?;
        format!("signed by a key of {}", provider.issuer())
    } else {
        "not verified; add --verify to check its signature".to_owned()
    };
    let mut json = decoded.json();
    if let Some(members) = json.as_object_mut() {
        members.insert("verified".to_owned(), json!(verify));
    }
    let text = format!("{}\nsignature    {verdict}", decoded.text());
    global.output().print(&json, text)
}
