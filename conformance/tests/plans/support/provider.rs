//! One provider for all tests: the program of this workspace over TLS, alone in its folder, gone when the
//! tests are.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use conformance::{
    catalog::{Run, runs},
    provider::{Place, Provider},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::listener;

/// The run whose provider offers every response type and lets clients register themselves.
const EVERYTHING: &str = "wide-basic-dynamic";

/// What an OpenID Provider tells about itself, and how to reach it.
pub(crate) struct Op {
    /// OIDC Discovery §3.
    pub(crate) metadata: Value,
    /// Its certificate (PEM).
    pub(crate) certificate: Vec<u8>,
    pub(crate) provider: Provider,
}

static OP: OnceCell<Op> = OnceCell::const_new();

impl Op {
    /// The one that tests share.
    pub(crate) async fn shared() -> &'static Self {
        OP.get_or_init(|| Self::start(EVERYTHING)).await
    }

    /// One of its own, as for this run.
    pub(crate) async fn start(run: &str) -> Self {
        let run: Run = runs().into_iter().find(|known| known.name == run).unwrap();
        let place = Place {
            binary: binary(),
            issuer: format!("https://localhost:{}", free_port())
                .parse()
                .unwrap(),
            logs: target().join("conformance").join("tests"),
            suite_certificate: Some(listener::authority()),
            callback_base: "https://localhost".to_owned(),
        };
        let (provider, _) = Provider::start(&place, &run).await.unwrap();
        let certificate = std::fs::read(provider.certificate()).unwrap();
        let url = format!("{}/.well-known/openid-configuration", provider.issuer());
        let http = super::http(&certificate);
        let metadata = http.get(url).send().await.unwrap().json().await.unwrap();
        Self {
            metadata,
            certificate,
            provider,
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    /// An address from its metadata.
    pub(crate) fn endpoint(&self, name: &str) -> &str {
        self.metadata[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}"))
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Where this test was built to.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Cargo tells a test of its own package's programs only, so it is asked for that of the workspace. It is
/// up to date after this; built with what `cargo test --workspace` asks for, it has nothing to compile then.
fn binary() -> PathBuf {
    static BINARY: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--locked", "--quiet"])
        .args(["--bin", "countersign", "--test", "plans"])
        .args(["--message-format", "json"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "countersign cannot be built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let program = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "countersign";
        message["executable"]
            .as_str()
            .filter(|_| is_it)
            .map(PathBuf::from)
    });
    program.expect("cargo names the program that it built")
}
