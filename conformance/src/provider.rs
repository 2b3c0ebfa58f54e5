//! The provider that a run tests: a process of its own in a folder of its own, with the user and the
//! clients that the plan needs. Nothing of it outlives the run.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{
    FieldBytes, SecretKey,
    elliptic_curve::{rand_core::OsRng, sec1::ToEncodedPoint as _},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::catalog::{Authentication, Registration, ResponseMode, Run};

/// The user of every run. The provider lives for a plan, on loopback.
pub const USERNAME: &str = "alice";
/// And the password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Every standard claim that `user add` has no option for (OIDC Core §5.1).
const CLAIMS: &str = r#"{
  "middle_name": "Berenice", "nickname": "Al", "profile": "https://people.example/alice",
  "picture": "https://people.example/alice.png", "website": "https://alice.example",
  "gender": "female", "birthdate": "1990-10-31", "zoneinfo": "Europe/Berlin", "locale": "en-GB",
  "address": { "formatted": "1 Main St\nBerlin", "street_address": "1 Main St",
    "locality": "Berlin", "region": "Berlin", "postal_code": "10115", "country": "DE" }
}"#;
const SCOPE: &str = "openid profile email address phone offline_access";

/// Runs a program until the input ends.
const LEASH: &str =
    r#""$0" "$@" </dev/null & program=$!; cat >/dev/null; kill -9 $program; wait $program"#;

/// Between two looks at a provider that starts or rotates its keys.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks until it is given up: more than the minute after which a server reads its keys again.
const PATIENCE: usize = 400;

/// Where a provider runs.
pub struct Place {
    /// The program.
    pub binary: PathBuf,
    /// The issuer; its host must resolve to this machine.
    pub issuer: Url,
    /// The folder for the logs of providers, by which a failure is explained.
    pub logs: PathBuf,
    /// The suite's certificate, if no public authority vouches for it.
    pub suite_certificate: Option<PathBuf>,
    /// What redirect URIs of the plan's clients begin with: `<suite>/test/a/<alias>`.
    pub callback_base: String,
}

/// The provider could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// A file or a process of it.
    #[error("the provider cannot be prepared")]
    Io(#[from] io::Error),
    /// Its certificate.
    #[error("no certificate could be made")]
    Certificate(#[from] rcgen::Error),
    /// A verb of its command line.
    #[error("countersign {0} failed: {1}")]
    Verb(String, String),
    /// What a verb printed.
    #[error("countersign printed something else than JSON")]
    Output(#[from] serde_json::Error),
    /// It does not answer.
    #[error("the provider does not answer")]
    Transport(#[from] reqwest::Error),
    /// What was waited for did not happen.
    #[error("the provider {0}")]
    Late(&'static str),
}

/// A running provider; it ends with this value.
pub struct Provider {
    verbs: Verbs,
    http: reqwest::Client,
    issuer: String,
    process: Child,
    folder: TempDir,
}

/// What a plan's configuration needs to know about it.
pub struct Fixture {
    /// `issuer`
    pub issuer: String,
    /// The first client, as the suite writes one.
    pub client: Value,
    /// The second.
    pub client2: Value,
    /// The certificates of both, where they have any: `mtls` and `mtls2` of the configuration.
    pub certificates: Vec<Value>,
    /// One with `client_secret_post`, for the module that always uses it.
    pub client_secret_post: Value,
}

impl Provider {
    /// Starts a provider for `run`.
    pub async fn start(place: &Place, run: &Run) -> Result<(Self, Fixture), ProviderError> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new(&folder.path().join("clients.pem"))?;
        let config = configure(
            folder.path(),
            &place.issuer,
            place.suite_certificate.as_deref(),
            run,
        )?;
        let verbs = Verbs {
            binary: place.binary.clone(),
            config,
        };
        verbs.run(&["migrate", "up"], None)?;
        let fixture = seed((&verbs, &authority), place, run, folder.path())?;
        std::fs::create_dir_all(&place.logs)?;
        let log = std::fs::File::create(place.logs.join(format!("{}.log", run.name)))?;
        let process = verbs.leashed().arg("serve").stderr(log).spawn()?;
        let provider = Self {
            verbs,
            http: reqwest::Client::builder()
                .danger_accept_invalid_certs(true)
                .build()?,
            issuer: fixture.issuer.clone(),
            process,
            folder,
        };
        provider.wait_until_it_answers().await?;
        Ok((provider, fixture))
    }

    async fn wait_until_it_answers(&self) -> Result<(), ProviderError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        for _ in 0..PATIENCE {
            if let Ok(answer) = self.http.get(&url).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ProviderError::Late("does not start"))
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The certificate that it shows (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Rotates the signing keys, and returns once the running server shows the new ones.
    pub async fn rotate_keys(&self) -> Result<(), ProviderError> {
        let before = self.jwks().await?;
        self.verbs.run(&["keys", "rotate"], None)?;
        for _ in 0..PATIENCE {
            if self.jwks().await? != before {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ProviderError::Late("does not show its new keys"))
    }

    async fn jwks(&self) -> Result<Value, ProviderError> {
        let url = format!("{}/oauth2/jwks.json", self.issuer);
        Ok(self.http.get(url).send().await?.json().await?)
    }
}

impl Drop for Provider {
    /// Waits too, so that the next one finds the port free.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Writes certificate and configuration; the path of the latter.
fn configure(
    folder: &Path,
    issuer: &Url,
    authority: Option<&Path>,
    run: &Run,
) -> Result<PathBuf, ProviderError> {
    let host = issuer.host_str().unwrap_or_default().to_owned();
    let certified = rcgen::generate_simple_self_signed([host])?;
    std::fs::write(folder.join("cert.pem"), certified.cert.pem())?;
    write_private(
        &folder.join("key.pem"),
        &certified.signing_key.serialize_pem(),
    )?;
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "issuer = {issuer:?}\n\
         [server]\naddress = \"127.0.0.1\"\nport = {port}\n\
         [tls]\ncertificate = {certificate:?}\nkey = {key:?}\n\
         {mtls}\
         [management]\nport = 0\n\
         [database]\nurl = {database:?}\n\
         [state]\ndirectory = {state:?}\n\
         [oauth]\nresponse_types = {response_types:?}\nregistration = {registration:?}\n\
         [outbound]\nallowed_networks = [\"127.0.0.0/8\", \"::1\"]\n{authority}\
         [keys]\ndirectory = {keys:?}\nalgorithms = {algorithms:?}\n\
         [limits]\nrequests = \"off\"\nlogin_per_account = 10000\nlogin_per_account_total = 10000\nlogin_per_address = 10000\n",
        issuer = issuer.as_str().trim_end_matches('/'),
        port = issuer.port_or_known_default().unwrap_or(443),
        mtls = mtls(issuer, run, &path("clients.pem")),
        certificate = path("cert.pem"),
        key = path("key.pem"),
        database = format!("sqlite://{}?mode=rwc", path("countersign.db")),
        state = path("state"),
        keys = path("keys"),
        algorithms = run.algorithms(),
        response_types = run.response_types(),
        authority = authority
            .map(|file| format!("ca_file = {:?}\n", file.display().to_string()))
            .unwrap_or_default(),
        registration = run.registration.policy(),
    );
    let file = folder.join("countersign.toml");
    std::fs::write(&file, text)?;
    Ok(file)
}

/// `[mtls]` of runs that need it, at a port beside, which no other run has.
fn mtls(issuer: &Url, run: &Run, authorities: &str) -> String {
    if run.authentication != Authentication::Certificate {
        return String::new();
    }
    let port = issuer.port_or_known_default().unwrap_or(443);
    let port = port.saturating_add(1000);
    format!("[mtls]\nport = {port}\nca_file = {authorities:?}\n")
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn seed(
    (verbs, authority): (&Verbs, &Authority),
    place: &Place,
    run: &Run,
    folder: &Path,
) -> Result<Fixture, ProviderError> {
    let claims = folder.join("claims.json");
    std::fs::write(&claims, CLAIMS)?;
    let claims = claims.display().to_string();
    let user = [
        "user",
        "add",
        USERNAME,
        "--email",
        "alice@people.example",
        "--email-verified",
        "--given-name",
        "Alice",
        "--family-name",
        "Adams",
        "--phone-number",
        "+49301234567",
        "--claims",
        &claims,
        "--password-stdin",
    ];
    verbs.run(&user, Some(PASSWORD))?;
    let mut certificates = Vec::new();
    if run.authentication == Authentication::Certificate {
        for id in ["first", "second"] {
            certificates.push(authority.issue(id)?);
        }
    }
    let clients = Clients {
        verbs,
        place,
        folder,
        run,
    };
    if run.registration == Registration::Dynamic {
        let named = json!({ "client_name": "Conformance" });
        return Ok(Fixture {
            issuer: place.issuer.as_str().trim_end_matches('/').to_owned(),
            client: named.clone(),
            client2: named.clone(),
            client_secret_post: named,
            certificates: Vec::new(),
        });
    }
    Ok(Fixture {
        issuer: place.issuer.as_str().trim_end_matches('/').to_owned(),
        client: clients.add("first", run.authentication)?,
        client2: clients.add("second", run.authentication)?,
        client_secret_post: clients.add("third", Authentication::Post)?,
        certificates,
    })
}

/// Registers the clients of a run.
struct Clients<'a> {
    verbs: &'a Verbs,
    place: &'a Place,
    folder: &'a Path,
    run: &'a Run,
}

impl Clients<'_> {
    /// A client, as the suite writes one.
    fn add(&self, id: &str, authentication: Authentication) -> Result<Value, ProviderError> {
        let callback = format!("{}/callback", self.place.callback_base);
        let goodbye = format!("{}/post_logout_redirect", self.place.callback_base);
        let frame = format!("{}/frontchannel_logout", self.place.callback_base);
        let notice = format!("{}/backchannel_logout", self.place.callback_base);
        let mut arguments = vec![
            "client",
            "create",
            "--web",
            "--name",
            "Conformance",
            "--client-id",
            id,
            "--redirect-uri",
            &callback,
            "--post-logout-redirect-uri",
            &goodbye,
            "--scope",
            SCOPE,
            "--pkce-optional",
            "--auth-method",
            authentication.as_str(),
        ];
        if self.run.plan.contains("frontchannel") {
            arguments.extend(["--frontchannel-logout-uri", &frame]);
        }
        if self.run.plan.contains("backchannel") {
            arguments.extend(["--backchannel-logout-uri", &notice]);
        }
        if self.run.response_mode == ResponseMode::FormPost {
            arguments.extend(["--response-mode", "form_post"]);
        }
        for response_type in self.run.response_types() {
            arguments.extend(["--response-type", response_type]);
        }
        let name = format!("subject_dn=CN={id}");
        if authentication == Authentication::Certificate {
            arguments.extend(["--tls-subject", &name]);
        }
        if authentication == Authentication::SecretJwt {
            arguments.extend(["--assertion-audience", "token-endpoint"]);
        }
        let file = self
            .folder
            .join(format!("{id}.jwks.json"))
            .display()
            .to_string();
        let mut described = json!({ "client_id": id });
        if authentication == Authentication::PrivateKey {
            let (private, public) = key_pair(id);
            std::fs::write(&file, json!({ "keys": [public] }).to_string())?;
            arguments.extend(["--jwks", &file]);
            // What the suite's OpenID Connect plans address (OIDC Core §9).
            arguments.extend(["--assertion-audience", "token-endpoint"]);
            insert(&mut described, "jwks", json!({ "keys": [private] }));
        }
        let printed = self.verbs.run(&arguments, None)?;
        if let Some(secret) = printed
            .get("client_secret")
            .filter(|secret| secret.is_string())
        {
            insert(&mut described, "client_secret", secret.clone());
        }
        Ok(described)
    }
}

/// Issues certificates to clients.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes one, and writes its certificate to `file`.
    fn new(file: &Path) -> Result<Self, ProviderError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(file, params.self_signed(&key)?.pem())?;
        Ok(Self(Issuer::new(params, key)))
    }

    /// A certificate whose subject is this name alone, as the suite takes one.
    fn issue(&self, name: &str) -> Result<Value, ProviderError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(json!({ "cert": certificate.pem(), "key": key.serialize_pem() }))
    }
}

/// A key for ES256 as JWKs (RFC 7518 §6.2): private and public.
fn key_pair(kid: &str) -> (Value, Value) {
    let key = SecretKey::random(&mut OsRng);
    let point = key.public_key().to_encoded_point(false);
    let coordinate = |bytes: Option<&FieldBytes>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let public = json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
        "x": coordinate(point.x()),
        "y": coordinate(point.y()),
    });
    let mut private = public.clone();
    insert(
        &mut private,
        "d",
        URL_SAFE_NO_PAD.encode(key.to_bytes()).into(),
    );
    (private, public)
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The provider's command line with its configuration.
struct Verbs {
    binary: PathBuf,
    config: PathBuf,
}

impl Verbs {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        // Nothing of the caller's own databases may reach a provider that is thrown away.
        for name in ["DATABASE_URL", "REDIS_URL", "COUNTERSIGN_CONFIG"] {
            command.env_remove(name);
        }
        command
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null());
        command
    }

    /// The same on a leash: it ends when our end of its standard input is closed, which the operating
    /// system does however we end.
    fn leashed(&self) -> Command {
        let program = self.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs a verb and reads the JSON that it prints.
    fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<Value, ProviderError> {
        let mut command = self.command();
        command.args(["--output", "json"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let written = match (input, child.stdin.take()) {
            (Some(text), Some(mut stdin)) => stdin.write_all(text.as_bytes()),
            _ => Ok(()),
        };
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let verb = arguments.iter().take(2).copied().collect::<Vec<_>>();
            return Err(ProviderError::Verb(verb.join(" "), told));
        }
        written?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
