//! Every key there is: the one list behind unknown-key errors, defaults, the reference page and
//! the file that `config init` writes.

/// A setting.
pub(super) struct Key {
    /// `section.key`; top-level keys have no section.
    pub path: &'static str,
    /// What is written there.
    pub kind: Kind,
    /// The default as it would be written in TOML; absent where there is none.
    pub default: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a unit, such as `10m`.
    Duration,
    /// A file or directory.
    Path,
    /// A list of texts.
    List,
    /// A text that is never shown and may stand in a file of its own.
    Secret,
}

impl Kind {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "number",
            Self::Duration => "duration",
            Self::Path => "path",
            Self::List => "list",
            Self::Secret => "secret",
        }
    }
}

/// What a section is about.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("server", "The public listener."),
    (
        "tls",
        "TLS in the process. Leave it out behind a proxy that speaks TLS to the world.",
    ),
    (
        "mtls",
        "Applications that prove themselves, or bind their tokens, by a TLS certificate (RFC 8705).",
    ),
    (
        "management",
        "Health checks, on a port of their own that the world must not reach.",
    ),
    ("database", "What must last: users, clients, grants, keys."),
    (
        "state",
        "What is short-lived: codes, sessions, refresh rotation, counters. One node keeps it in a \
         directory, several share a Redis server.",
    ),
    ("keys", "Signing keys."),
    ("oauth", "What of the protocol is offered."),
    (
        "outbound",
        "Requests to addresses that applications registered.",
    ),
    (
        "lifetimes",
        "How long things live where a client does not say otherwise.",
    ),
    (
        "limits",
        "How often a login may be tried, and how much may be asked in a minute. `0` is no limit.",
    ),
    (
        "passwords",
        "Which passwords are taken, and their hashing with argon2id.",
    ),
    (
        "mail",
        "Mail to users. Without `host` none is sent: notices of new devices, changed passwords and \
         replayed tokens, password reset, verification of addresses and invitations by mail are off.",
    ),
    (
        "registration",
        "Accounts that people make for themselves. An address is proved by mail before there is an account.",
    ),
    ("accounts", "What becomes of accounts."),
    ("branding", "How the pages and mails look."),
    ("audit", "The trail of events in the database."),
    ("log", "The log, on standard error."),
    (
        "telemetry",
        "Traces, sent to an OpenTelemetry collector over OTLP/HTTP. Off until an endpoint is named.",
    ),
];

macro_rules! keys {
    ($($path:literal : $kind:ident $(= $default:literal)?, $doc:literal;)+) => {
        /// Every setting, section by section.
        pub(super) const KEYS: &[Key] = &[$(Key {
            path: $path,
            kind: Kind::$kind,
            default: default!($($default)?),
            doc: $doc,
        }),+];
    };
}

macro_rules! default {
    () => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}

keys! {
    "issuer": Text,
        "The URL by which clients know this server, without a slash at the end. It must be https, except on loopback. It cannot be changed later without changing every client.";

    "server.address": Text = "\"0.0.0.0\"", "The address to listen on; `::` for IPv6 and IPv4.";
    "server.port": Integer = "8080", "The port to listen on; 0 lets the system choose.";
    "server.trusted_proxies": List = "[]",
        "Addresses or networks of proxies whose `X-Forwarded-For` is believed. From anybody else the header is ignored.";
    "server.max_connections": Integer = "10000", "Connections at most; further ones are closed at once.";
    "server.max_connections_per_address": Integer = "1000",
        "Connections from one address (IPv6: one /64 network) at most. Trusted proxies may have any number.";
    "server.head_timeout": Duration = "\"10s\"",
        "How long a TLS handshake and the head of a request may take before the connection is closed; also how long a connection may be kept without a request.";
    "server.body_timeout": Duration = "\"10s\"", "How long the body of a request may take before 408.";
    "server.request_timeout": Duration = "\"30s\"", "How long an answer may take before 503.";
    "server.drain": Duration = "\"5s\"",
        "How long everything goes on after the signal to stop, so that balancers notice that the node is not ready any more. In the second half each answer ends its connection. `dev` does not wait.";
    "server.shutdown_timeout": Duration = "\"20s\"",
        "How long requests may go on after that.";

    "tls.certificate": Path,
        "The certificate chain, PEM. Read again when it changes and on SIGHUP.";
    "tls.key": Path, "The private key of the certificate, PEM.";

    "mtls.port": Integer,
        "A port of its own that asks for certificates, with the certificate of `[tls]`: on the usual one browsers would ask their users. None where absent.";
    "mtls.address": Text = "\"0.0.0.0\"", "The address to listen on there.";
    "mtls.url": Text,
        "How applications reach it, for `mtls_endpoint_aliases`: the issuer's host at `mtls.port` where absent. Behind a proxy, the address at which that asks for certificates.";
    "mtls.ca_file": Path,
        "Certificates (PEM) of the authorities that issue applications' certificates, for `tls_client_auth`. Without it only self-signed ones are known.";
    "mtls.proxy_header": Text = "\"off\"",
        "`client-cert`: proxies of `server.trusted_proxies` end the TLS connections and tell of certificates in `Client-Cert` (RFC 9440). They must remove that header from what they let in.";

    "management.address": Text = "\"127.0.0.1\"", "The address to listen on.";
    "management.port": Integer = "9000",
        "The port of `/health/live`, `/health/ready` and `/metrics`.";

    "database.url": Secret = "\"sqlite://data/countersign.db?mode=rwc\"",
        "`sqlite://file?mode=rwc` or `postgres://user:password@host/name`. `DATABASE_URL` is understood too.";
    "database.connections": Integer,
        "Connections at most; four for each processor core where absent.";

    "state.directory": Path = "\"data/state\"", "Where state is kept when there is no Redis server.";
    "state.redis_url": Secret,
        "`redis://` or `rediss://` (TLS), with user and password as the server needs them. `REDIS_URL` is understood too.";
    "state.redis_ca_file": Path,
        "Certificates (PEM) that the Redis server's must descend from, instead of the public authorities.";
    "state.redis_namespace": Text = "\"countersign\"", "What every key on the Redis server begins with.";

    "keys.directory": Path = "\"keys\"",
        "Where the key-encryption key is made. Nobody but the server's user may read it. Signing keys of your own come in with `countersign keys import`.";
    "keys.kek_file": Path, "The key-encryption key, if it does not live in `keys.directory`.";
    "keys.rotation": Duration = "\"90d\"", "How long a key signs before the next takes over.";
    "keys.algorithms": List = "[\"RS256\", \"PS256\", \"ES256\", \"EdDSA\"]",
        "For which signature algorithms there are keys: RS256, PS256, ES256, EdDSA, Ed25519, ES384, ES512, PS384, PS512, RS384, RS512.";
    "keys.encryption": List = "[]",
        "For which kinds of encryption there are keys, to which applications encrypt their request objects: `RSA-OAEP`, `ECDH-ES`.";
    "keys.access_token_algorithm": Text = "\"ES256\"", "The algorithm of access tokens.";

    "oauth.response_types": List = "[\"code\"]",
        "What an authorization request may ask for: `code`, `code id_token`, `code token`, `code id_token token`, `id_token`, `id_token token`, `none`. Applications must be registered for it too. All but `code` and `none` show tokens to the browser, which current practice advises against (RFC 9700 §2.1.2).";

    "oauth.registration": Text = "\"closed\"",
        "Whether applications may register themselves (RFC 7591): `closed` or `open`. They get no more than any application may have, and their users are always asked.";

    "outbound.allowed_networks": List = "[]",
        "Private networks that applications may live in, such as `10.0.0.0/8`. Any other private address is never asked for anything.";
    "outbound.ca_file": Path,
        "Certificates (PEM) of authorities of your own, besides the public ones.";

    "lifetimes.code": Duration = "\"60s\"", "An authorization code.";
    "lifetimes.interaction": Duration = "\"30m\"", "A login or consent that waits for the user.";
    "lifetimes.access_token": Duration = "\"10m\"", "An access token.";
    "lifetimes.id_token": Duration = "\"10m\"", "An ID token.";
    "lifetimes.refresh_idle": Duration = "\"14d\"", "A refresh token without use.";
    "lifetimes.refresh_absolute": Duration = "\"90d\"", "A chain of refresh tokens in any case.";
    "lifetimes.refresh_grace": Duration = "\"10s\"",
        "How long the previous refresh token may be retried, for tabs that race and answers that were lost; `0s` allows no retry.";
    "lifetimes.session_idle": Duration = "\"8h\"", "A login session without use.";
    "lifetimes.session_absolute": Duration = "\"12h\"", "A login session in any case.";
    "lifetimes.session_remembered": Duration = "\"30d\"",
        "A login session in any case, where the user asked to stay signed in.";

    "limits.login_per_account": Integer = "10", "Attempts for one account from one address (IPv6: one /64 network), or from one browser that the account has logged in with before, within the window.";
    "limits.login_per_account_total": Integer = "100",
        "Attempts for one account from all addresses together within the window. Browsers that the account has logged in with before are not counted and not stopped.";
    "limits.login_per_address": Integer = "100", "Failures from one address (IPv6: one /64 network) within the window.";
    "limits.login_window": Duration = "\"15m\"", "How long attempts count.";
    "limits.requests": Text = "\"on\"",
        "`off` counts no requests at all; logins are counted all the same.";
    "limits.token_per_address": Integer = "6000",
        "Token requests in a minute from one address (IPv6: one /64 network).";
    "limits.introspection_per_address": Integer = "60000", "Introspections in a minute from one address.";
    "limits.revocation_per_address": Integer = "6000", "Revocations in a minute from one address.";
    "limits.authorization_per_address": Integer = "1200", "Authorization requests in a minute from one address.";
    "limits.login_forms_per_address": Integer = "300", "Login forms sent in a minute from one address, right or wrong; at most as many registrations of applications.";
    "limits.network_factor": Integer = "4",
        "How many times as much may come from the network around an address: IPv4 /24, IPv6 /48.";
    "limits.requests_per_client": Integer = "60000",
        "Requests in a minute of one client that has proved who it is, at each endpoint. What the client was registered with comes first.";
    "limits.authorization_per_account": Integer = "300", "Authorization requests in a minute of one user who is signed in.";

    "passwords.memory_kib": Integer = "19456",
        "Memory of one hash in KiB. Hashes with other parameters are renewed at the next login.";
    "passwords.passes": Integer = "2", "Passes over the memory.";
    "passwords.lanes": Integer = "1", "Lanes, computed one after another.";
    "passwords.workers": Integer, "Hashes computed at the same time; the number of processor cores where absent.";
    "passwords.queue": Integer = "128", "Requests that may wait for a worker; further ones get 503.";
    "passwords.deadline": Duration = "\"2s\"", "How long a request waits before 503.";
    "passwords.breached_file": Path,
        "Stolen passwords that nobody may choose: SHA-1 digests in hexadecimal, one a line, sorted, as the Pwned Passwords downloads have them (\"ordered by hash\"). It is searched on disk. Common passwords are refused without it.";

    "mail.host": Text, "The SMTP server, by the name that its certificate is for.";
    "mail.port": Integer, "Its port; where absent 587 with `starttls`, 465 with `tls`, 25 without either.";
    "mail.security": Text = "\"starttls\"",
        "`starttls` (nothing is said before TLS), `tls` (from the first byte), `plain` (to this machine only) or `insecure` (unencrypted to anywhere; inside a network that you trust).";
    "mail.username": Text, "The user, if the server asks for one.";
    "mail.password": Secret, "The password of `mail.username`.";
    "mail.from": Text, "Who mails are from: `Example <no-reply@example.com>` or an address alone. Needed with `mail.host`.";
    "mail.ca_file": Path,
        "Certificates (PEM) that the server's must descend from, instead of the public authorities.";
    "mail.timeout": Duration = "\"30s\"", "How long sending one mail may take; 2m at most.";

    "registration.self": Text = "\"off\"",
        "`on` lets people make accounts, where `[mail]` is set up.";
    "registration.domains": List = "[]",
        "Only for email addresses at these domains; for any where empty.";

    "branding.product_name": Text = "\"Countersign\"", "The name on every page, in titles and in mails; 40 characters at most.";
    "branding.logo": Path, "The picture beside the name: SVG, PNG, WebP or JPEG, square, 64 KiB at most.";
    "branding.accent": Text,
        "The color of buttons and links, such as `#14695d`. It is darkened on light pages and lightened on dark ones as far as it takes to be read.";
    "branding.support": Text,
        "Where people find help, at the foot of every page: `https://…` or `mailto:…`.";

    "accounts.deletion_grace": Duration = "\"14d\"",
        "How long an account is only locked after its user asked for its deletion. Until then `user enable` keeps it; then everything about it is removed, but for the audit trail. `0s` removes at once, within minutes.";

    "audit.retention": Duration = "\"400d\"",
        "How long events are kept; older ones are removed in small batches. `0s` keeps them for good.";

    "log.format": Text = "\"json\"", "`json` or `compact`.";
    "log.filter": Text = "\"warn,countersign=info\"", "What is logged: levels by module, such as `info,countersign=debug`.";

    "telemetry.otlp_endpoint": Text,
        "The collector's address, such as `http://collector:4318`; `/v1/traces` is added where it has no path. Nothing is traced where absent.";
    "telemetry.otlp_headers": Secret,
        "Headers for the collector: `name=value`, several separated by commas.";
    "telemetry.sample_ratio": Text = "\"0.01\"",
        "The share of requests that are traced, from `\"0\"` to `\"1\"`.";
    "telemetry.sampling": Text = "\"ratio\"",
        "`ratio`: chance alone decides. `parent`: the flag of a caller's `traceparent` decides where there is one; only for servers that nobody but your own gateway reaches, one that writes the header anew.";
    "telemetry.service_name": Text = "\"countersign\"", "`service.name` of the spans.";
}
