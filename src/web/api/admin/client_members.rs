//! What is said of an application when it is registered or changed (RFC 7591 §2), with the names of its
//! metadata.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    application::commands::{
        edit_client::{Change, ClientEdit},
        register_client::RegisterClient,
    },
    domain::{
        algorithm::{Encryption, TokenAlgorithm},
        certificate::CertificateSubject,
        client::{
            AccessTokenFormat, AssertionAudience, ClientAuthMethod, ClientKind, ConsentPolicy,
            PkcePolicy, RefreshRotation, ResponseMode,
        },
        client_rights::ClientRights,
        response_type::ResponseType,
        scope::Scope,
    },
};

/// Declares what is said of an application: some members of its own, and those that can change.
macro_rules! client_members {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// All of them.
            redirect_uris: Option<Vec<String>>,
            /// All of them.
            post_logout_redirect_uris: Option<Vec<String>>,
            /// Every scope value that it may ask for.
            #[schema(value_type = Option<String>)]
            scope: Option<Scope>,
            /// Every resource indicator that it may ask for.
            resources: Option<Vec<String>>,
            /// Browser origins that may call the token endpoint, all of them.
            allowed_origins: Option<Vec<String>>,
            /// `query`, `fragment`, `form_post`; all of them where empty.
            #[schema(value_type = Option<Vec<String>>)]
            response_modes: Option<BTreeSet<ResponseMode>>,
            /// `code`, `code id_token` and the like; `code` where empty. Its grant types follow.
            #[schema(value_type = Option<Vec<String>>)]
            response_types: Option<BTreeSet<ResponseType>>,
            /// `required` or `optional`.
            #[schema(value_type = Option<String>)]
            pkce: Option<PkcePolicy>,
            /// `remember`, `always` or `implied`.
            #[schema(value_type = Option<String>)]
            consent: Option<ConsentPolicy>,
            /// Its public keys (RFC 7517 §5), for `private_key_jwt` and request objects.
            #[schema(value_type = Option<Object>)]
            jwks: Option<Value>,
            /// Whom its assertions may be addressed to: `issuer` or `token_endpoint`.
            #[schema(value_type = Option<String>)]
            assertion_audience: Option<AssertionAudience>,
            /// The name in its certificate, one member: `dn`, `dns`, `uri`, `ip` or `email` (`tls_client_auth`).
            #[schema(value_type = Option<Object>)]
            tls_client_auth_subject: Option<CertificateSubject>,
            /// Whether its access tokens work only with the certificate that they were fetched with.
            tls_client_certificate_bound_access_tokens: Option<bool>,
            /// `jwt` or `opaque`.
            #[schema(value_type = Option<String>)]
            access_token_format: Option<AccessTokenFormat>,
            #[schema(value_type = Option<String>)]
            id_token_signed_response_alg: Option<TokenAlgorithm>,
            /// Whether refresh tokens rotate: `rotate` or `keep`.
            #[schema(value_type = Option<String>)]
            refresh_rotation: Option<RefreshRotation>,
            /// Life of access tokens, seconds; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, minimum = 30, maximum = 86400)]
            access_token_lifetime: Change<u64>,
            /// Life of ID tokens, seconds; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, minimum = 30, maximum = 86400)]
            id_token_lifetime: Change<u64>,
            /// A refresh token unused for so many seconds is dead; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, minimum = 60)]
            refresh_idle: Change<u64>,
            /// Refresh tokens end after so many seconds in any case; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, minimum = 60)]
            refresh_absolute: Change<u64>,
            /// How long a rotated refresh token may be retried, seconds; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, maximum = 300)]
            refresh_grace: Change<u64>,
            /// Seconds (OIDC Registration §2); null for none.
            #[serde(default)]
            #[schema(value_type = Option<u64>)]
            default_max_age: Change<u64>,
            /// An https address, shown to users; null for none.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            client_uri: Change<String>,
            /// An https address, shown to users; null for none.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            logo_uri: Change<String>,
            /// An https address, shown to users; null for none.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            policy_uri: Change<String>,
            /// An https address, shown to users; null for none.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            tos_uri: Change<String>,
            /// Where others may begin a login at it (OIDC Core §4).
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            initiate_login_uri: Change<String>,
            /// Where its public keys are; null for none.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            jwks_uri: Change<String>,
            /// Where its request objects may be, fragments included; all of them.
            request_uris: Option<Vec<String>>,
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            request_object_signing_alg: Change<TokenAlgorithm>,
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            userinfo_signed_response_alg: Change<TokenAlgorithm>,
            /// `{"alg", "enc"}`: to a key of its JWK Set; null for none.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            id_token_encryption: Change<Encryption>,
            /// `{"alg", "enc"}`: to a key of its JWK Set; null for none.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            userinfo_encryption: Change<Encryption>,
            /// `{"alg", "enc"}`: how its request objects are encrypted, if they are; null for any way.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            request_object_encryption: Change<Encryption>,
            /// What a frame loads when a session ends (OIDC Front-Channel Logout).
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            frontchannel_logout_uri: Change<String>,
            /// Where a logout token is posted when a session ends (OIDC Back-Channel Logout).
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            backchannel_logout_uri: Change<String>,
            /// Requests that are answered in a minute, at each endpoint; null for the server's setting.
            #[serde(default)]
            #[schema(value_type = Option<u64>, minimum = 1)]
            requests_per_minute: Change<u64>,
            /// What it may ask of its users' rights, all of it: docs/permissions.md.
            #[schema(value_type = Option<Object>)]
            rights: Option<ClientRights>,
        }

        impl $name {
            fn settings(self) -> ClientEdit {
                ClientEdit {
                    name: self.client_name.into(),
                    redirect_uris: self.redirect_uris,
                    post_logout_redirect_uris: self.post_logout_redirect_uris,
                    scope: self.scope,
                    resources: self.resources,
                    origins: self.allowed_origins,
                    response_modes: self.response_modes,
                    response_types: self.response_types,
                    refreshes: None,
                    pkce: self.pkce,
                    consent: self.consent,
                    jwks: self.jwks,
                    assertion_audience: self.assertion_audience,
                    certificate_subject: self.tls_client_auth_subject,
                    certificate_bound: self.tls_client_certificate_bound_access_tokens,
                    access_token_format: self.access_token_format,
                    id_token_algorithm: self.id_token_signed_response_alg,
                    refresh_rotation: self.refresh_rotation,
                    access_token_lifetime: self.access_token_lifetime.map(Duration::from_secs),
                    id_token_lifetime: self.id_token_lifetime.map(Duration::from_secs),
                    refresh_idle: self.refresh_idle.map(Duration::from_secs),
                    refresh_absolute: self.refresh_absolute.map(Duration::from_secs),
                    refresh_grace: self.refresh_grace.map(Duration::from_secs),
                    default_max_age: self.default_max_age,
                    client_uri: self.client_uri,
                    logo_uri: self.logo_uri,
                    policy_uri: self.policy_uri,
                    tos_uri: self.tos_uri,
                    initiate_login_uri: self.initiate_login_uri,
                    jwks_uri: self.jwks_uri,
                    request_uris: self.request_uris,
                    request_object_algorithm: self.request_object_signing_alg,
                    userinfo_algorithm: self.userinfo_signed_response_alg,
                    id_token_encryption: self.id_token_encryption,
                    userinfo_encryption: self.userinfo_encryption,
                    request_object_encryption: self.request_object_encryption,
                    frontchannel_logout_uri: self.frontchannel_logout_uri,
                    backchannel_logout_uri: self.backchannel_logout_uri,
                    requests_per_minute: self.requests_per_minute,
                    rights: self.rights,
                }
            }
        }
    };
}

client_members! {
    /// An application to be. What is absent is what is usual for its kind.
    NewClient {
        /// `spa` (a script in the browser), `web` (with a server of its own), `native` or `service`.
        #[schema(value_type = String)]
        kind: ClientKind,
        /// What users are shown.
        #[schema(min_length = 1, max_length = 100)]
        client_name: String,
        /// Generated where absent.
        client_id: Option<String>,
        #[schema(value_type = Option<String>)]
        token_endpoint_auth_method: Option<ClientAuthMethod>,
    }
}

client_members! {
    /// What is to be another. What is absent stays as it is.
    ClientChange {
        /// What users are shown.
        #[schema(min_length = 1, max_length = 100)]
        client_name: Option<String>,
    }
}

impl NewClient {
    /// The command that registers it.
    pub(super) fn command(mut self) -> RegisterClient {
        RegisterClient {
            id: self.client_id.take(),
            authentication: self.token_endpoint_auth_method,
            ..RegisterClient::with(self.kind, self.settings())
        }
    }
}

impl ClientChange {
    /// The command that changes it.
    pub(super) fn edit(self) -> ClientEdit {
        self.settings()
    }
}
