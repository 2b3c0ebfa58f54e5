//! Configuration, migrations, keys and `serve` as operators meet them: arguments in, results, errors and
//! exit codes out.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// An empty directory to work in.
struct Workdir(TempDir);

impl Workdir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a configuration file that lets the system choose ports.
    fn configured(more: &str) -> Self {
        let workdir = Self::new();
        let text = format!(
            "issuer = \"https://login.example.com\"\n[server]\naddress = \"127.0.0.1\"\nport = 0\ndrain = \"0s\"\n\
             [management]\nport = 0\n{more}"
        );
        fs::write(workdir.path().join("countersign.toml"), text).unwrap();
        workdir
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.path());
        for name in ["DATABASE_URL", "REDIS_URL", "COUNTERSIGN_CONFIG"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a verb prints as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asserts that a verb fails with this code and says this.
    fn assert_fails(&self, arguments: &[&str], code: i32, words: &str) {
        let output = self.run(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(words), "{error}");
        assert!(output.stdout.is_empty());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `serve`, killed if the test ends early.
struct Serving {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl Serving {
    fn start(workdir: &Workdir) -> Self {
        let mut child = workdir
            .command(&["serve", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_default();
        Self {
            child,
            _stdout: stdout,
            ready,
        }
    }

    fn address(&self, which: &str) -> &str {
        self.ready[which].as_str().expect("it is ready")
    }

    /// Asks it to stop and returns its exit code.
    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_the_way_to_mend_it() {
    let workdir = Workdir::configured("[lifetimes]\ncodes = \"60s\"\n");
    for verb in [&["config", "validate"][..], &["serve"], &["migrate", "up"]] {
        workdir.assert_fails(verb, 2, "did you mean lifetimes.code?");
    }
    let empty = Workdir::new();
    empty.assert_fails(&["serve"], 2, "issuer is missing");
    empty.assert_fails(
        &["serve", "--config", "nowhere.toml"],
        2,
        "nowhere.toml cannot be read",
    );
}

#[test]
fn config_init_writes_a_valid_file_that_is_private_and_never_overwrites() {
    let workdir = Workdir::new();
    let init = ["config", "init", "--issuer", "https://login.example.com"];
    assert!(workdir.run(&init).status.success());
    let file = workdir.path().join("countersign.toml");
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(workdir.json(&["config", "validate"])["valid"], true);
    workdir.assert_fails(&init, 4, "exists already");
    workdir.assert_fails(
        &["config", "init", "--issuer", "http://login.example.com"],
        2,
        "https",
    );
}

#[test]
fn c175_config_show_prints_no_secret() {
    let workdir = Workdir::configured("");
    let output = workdir
        .command(&["config", "show"])
        .env("DATABASE_URL", "postgres://user:canary-77aa@db/x")
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert!(
        output.status.success() && shown.contains("database.url = \"********\""),
        "{shown}"
    );
    assert!(!shown.contains("canary-77aa"));
}

#[test]
fn migrations_are_listed_tried_and_run() {
    let workdir = Workdir::configured("");
    let states = |workdir: &Workdir| {
        let list = workdir.json(&["migrate", "status"]);
        let states = list
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["state"].to_string());
        states
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&workdir), ["\"pending\""]);
    let statements = workdir.json(&["migrate", "dry-run"]);
    assert!(!statements["statements"].as_array().unwrap().is_empty());
    assert_eq!(states(&workdir), ["\"pending\""]);
    assert!(
        !workdir.json(&["migrate", "up"])["applied"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(states(&workdir), ["\"applied\""]);
    assert!(
        workdir.json(&["migrate", "up"])["applied"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn keys_are_listed_next_to_a_running_server_and_a_public_key_file_is_refused() {
    let workdir = Workdir::configured("");
    let serving = Serving::start(&workdir);
    let keys = workdir.json(&["keys", "list"]);
    let active = keys
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["phase"] == "active");
    assert_eq!(active.count(), 4);
    let file = workdir.path().join("key.pem");
    fs::write(&file, "not yet a key").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    workdir.assert_fails(&["keys", "import", "key.pem"], 1, "chmod 600 key.pem");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn c177_a_key_that_others_can_read_stops_the_start() {
    let workdir = Workdir::configured("");
    assert_eq!(Serving::start(&workdir).stop(), Some(0));
    let keys: Vec<_> = fs::read_dir(workdir.path().join("keys")).unwrap().collect();
    assert!(!keys.is_empty());
    for key in keys {
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(key.unwrap().path(), readable).unwrap();
    }
    let output = workdir.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn serve_answers_is_healthy_and_stops_in_order() {
    let workdir = Workdir::configured("");
    let serving = Serving::start(&workdir);
    let management = serving.address("management").to_owned();
    let healthy = workdir.json(&["healthcheck", "--address", &management]);
    assert_eq!(healthy["status"], "ready");
    let taken = serving
        .address("listen")
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let second = workdir
        .command(&["serve"])
        .env("COUNTERSIGN__SERVER__PORT", taken)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(5));
    let error = text(&second.stderr);
    assert!(error.contains("another program listens there"), "{error}");
    assert_eq!(serving.stop(), Some(0));
    workdir.assert_fails(&["healthcheck", "--address", &management], 5, &management);
}

#[tokio::test]
async fn serve_speaks_tls_with_its_own_certificate() {
    let workdir = Workdir::configured("[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(workdir.path().join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(
        workdir.path().join("key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    let serving = Serving::start(&workdir);
    let authority = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .add_root_certificate(authority)
        .https_only(true)
        .build()
        .unwrap();
    let port = serving.address("listen").rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/.well-known/openid-configuration");
    let answer = client.get(url).send().await.unwrap();
    assert!(answer.status().is_success());
    assert!(answer.headers().contains_key("strict-transport-security"));
    let metadata: Value = answer.json().await.unwrap();
    assert_eq!(metadata["issuer"], "https://login.example.com");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let workdir = Workdir::configured("[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    workdir.assert_fails(&["serve"], 1, "cannot use cert.pem");
}

#[test]
fn help_version_and_completion_are_there() {
    let workdir = Workdir::new();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["completion", "bash"],
    ] {
        let output = workdir.run(arguments);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("countersign"));
    }
    assert_eq!(
        workdir.json(&["version"])["version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[tokio::test]
async fn the_management_port_shows_metrics_and_the_public_one_does_not() {
    let workdir = Workdir::configured("");
    let serving = Serving::start(&workdir);
    let get = |which: &str, path: &str| {
        let url = format!("http://{}{path}", serving.address(which));
        async move { reqwest::get(url).await.unwrap() }
    };
    get("listen", "/oauth2/jwks.json").await;
    get("management", "/health/ready").await;
    assert_eq!(get("listen", "/metrics").await.status(), 404);
    let answer = get("management", "/metrics").await;
    let kind = answer.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = answer.text().await.unwrap();
    for line in [
        "countersign_request_seconds_count{endpoint=\"jwks\",result=\"ok\"} 1",
        "countersign_state_seconds_count{operation=",
        "countersign_database_seconds_count{operation=\"begin\",result=\"ok\"}",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(serving.stop(), Some(0));
}
