//! A client's server, over TLS: it keeps what is posted to it, and serves what it is given.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::IntoResponse,
};

/// The server. It ends with the test.
pub(crate) struct Listener {
    origin: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    posted: Vec<(String, String)>,
    served: BTreeMap<String, (&'static str, String)>,
}

/// The certificate of every listener, which the provider trusts.
struct Certificate {
    pem: String,
    key: String,
    file: PathBuf,
}

fn certificate() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = certified.cert.pem();
        let name = format!("conformance-{}.pem", std::process::id());
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, &pem).unwrap();
        Certificate {
            pem,
            key: certified.signing_key.serialize_pem(),
            file,
        }
    })
}

/// The file with the certificate of every listener.
pub(crate) fn authority() -> PathBuf {
    certificate().file.clone()
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let known = certificate();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let tls = axum_server::tls_rustls::RustlsConfig::from_pem(
            known.pem.clone().into_bytes(),
            known.key.clone().into_bytes(),
        );
        let tls = tls.await.unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let origin = format!("https://localhost:{}", socket.local_addr().unwrap().port());
        tokio::spawn(async move {
            let server = axum_server::from_tcp_rustls(socket, tls).unwrap();
            server.serve(router.into_make_service()).await
        });
        Self { origin, shared }
    }

    /// An address there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What is at this path from now on.
    pub(crate) fn serves(&self, path: &str, kind: &'static str, content: impl Into<String>) {
        let mut shared = self.shared.lock().unwrap();
        shared
            .served
            .insert(path.to_owned(), (kind, content.into()));
    }

    /// Waits for something to be posted to this path: its body.
    pub(crate) async fn posted(&self, path: &str) -> String {
        for _ in 0..200 {
            let found = {
                let mut shared = self.shared.lock().unwrap();
                let at = shared.posted.iter().position(|(to, _)| to == path);
                at.map(|at| shared.posted.remove(at).1)
            };
            if let Some(body) = found {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing was posted to {path}");
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    method: Method,
    uri: Uri,
    body: String,
) -> impl IntoResponse {
    let mut shared = shared.lock().unwrap();
    if method == Method::POST {
        shared.posted.push((uri.path().to_owned(), body));
        return (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        );
    }
    match shared.served.get(uri.path()) {
        Some((kind, content)) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, *kind)],
            content.clone(),
        ),
        None => (
            StatusCode::NOT_FOUND,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        ),
    }
}
