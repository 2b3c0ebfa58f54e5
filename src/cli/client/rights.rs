//! What a client may ask of its users' rights, as flags or as a JSON file.

use std::path::{Path, PathBuf};

use crate::{
    cli::CliError,
    domain::client_rights::{ClaimMapper, ClientRights, FirstPartyLogin},
};

/// Rights on the command line.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Rights {
    /// Let it take names and passwords itself (`/api/auth/login`): for your own applications only,
    /// with `--consent implied`
    #[arg(long)]
    first_party_login: bool,
    /// A role that its tokens may name, or the beginning of one and a `*`; may be repeated. All of them
    /// where absent
    #[arg(long, value_name = "PATTERN")]
    allow_role: Vec<String>,
    /// A permission that its tokens may carry, such as `document:*`; may be repeated. Whatever the scope
    /// names where absent
    #[arg(long, value_name = "PATTERN")]
    allow_permission: Vec<String>,
    /// A claim of its own shape: `NAME=SOURCE[@PLACE,…][?SCOPE]`, where SOURCE is roles, groups,
    /// permissions or claim:NAME, and a PLACE is `access_token`, `id_token` or userinfo; may be repeated
    #[arg(long, value_name = "MAPPER")]
    map_claim: Vec<ClaimMapper>,
    /// Roles in `realm_access.roles`, as Keycloak has them
    #[arg(long)]
    map_like_keycloak: bool,
    /// All of these from a JSON file
    #[arg(long = "rights-file", value_name = "FILE", conflicts_with_all = [
        "first_party_login", "allow_role", "allow_permission", "map_claim", "map_like_keycloak",
    ])]
    file: Option<PathBuf>,
}

impl Rights {
    /// The same, if anything is said at all.
    pub(super) fn said(self) -> Result<Option<ClientRights>, CliError> {
        let is_silent = self.file.is_none()
            && !self.first_party_login
            && !self.map_like_keycloak
            && self.allow_role.is_empty()
            && self.allow_permission.is_empty()
            && self.map_claim.is_empty();
        (!is_silent).then(|| self.parse()).transpose()
    }

    /// The rights that a file holds.
    fn of_file(file: &Path) -> Result<ClientRights, CliError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            CliError::failed(format!("cannot read {}: {error}", file.display()))
        })?;
        serde_json::from_str(&text).map_err(|error| {
            CliError::usage(format!("{} holds no rights: {error}", file.display()))
                .hint("docs/permissions.md shows one")
        })
    }

    /// The rights that the flags or the file say.
    pub(in crate::cli) fn parse(self) -> Result<ClientRights, CliError> {
        if let Some(file) = self.file {
            return Self::of_file(&file);
        }
        let some =
            |patterns: Vec<String>| (!patterns.is_empty()).then(|| patterns.into_iter().collect());
        let keycloak = self.map_like_keycloak.then(ClaimMapper::keycloak);
        Ok(ClientRights {
            first_party_login: if self.first_party_login {
                FirstPartyLogin::Allowed
            } else {
                FirstPartyLogin::Refused
            },
            roles: some(self.allow_role),
            permissions: some(self.allow_permission),
            mappers: self.map_claim.into_iter().chain(keycloak).collect(),
        })
    }
}
