//! A client's server, over TLS: it keeps what is posted to it, and answers as it is told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, StatusCode},
    response::Response,
};

/// The server. It ends with the test.
pub(crate) struct Listener {
    /// `https://localhost:…`
    pub(crate) origin: String,
    /// The certificate by which it is known.
    pub(crate) authority: tempfile::NamedTempFile,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    posted: Vec<String>,
    asked: usize,
    status: StatusCode,
    content: Vec<u8>,
    endless: bool,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), certified.cert.pem()).unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            posted: Vec::new(),
            asked: 0,
            status: StatusCode::OK,
            content: Vec::new(),
            endless: false,
        }));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let tls = axum_server::tls_rustls::RustlsConfig::from_pem(
            certified.cert.pem().into_bytes(),
            certified.signing_key.serialize_pem().into_bytes(),
        );
        let tls = tls.await.unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let origin = format!("https://localhost:{}", socket.local_addr().unwrap().port());
        tokio::spawn(async move {
            let server = axum_server::from_tcp_rustls(socket, tls).unwrap();
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            server.serve(service).await
        });
        Self {
            origin,
            authority,
            shared,
        }
    }

    /// An address there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What was posted since the last look.
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().posted)
    }

    /// How often it was asked for something since the last look.
    pub(crate) fn asked(&self) -> usize {
        std::mem::take(&mut self.shared.lock().unwrap().asked)
    }

    /// What it answers from now on.
    pub(crate) fn answers(&self, status: StatusCode) {
        self.shared.lock().unwrap().status = status;
    }

    /// What is at every address of it from now on.
    pub(crate) fn serves(&self, content: impl Into<Vec<u8>>) {
        self.shared.lock().unwrap().content = content.into();
    }

    /// From now on its answers never end.
    pub(crate) fn never_ends(&self) {
        self.shared.lock().unwrap().endless = true;
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    method: Method,
    body: String,
) -> Response {
    let mut shared = shared.lock().unwrap();
    if method == Method::POST {
        shared.posted.push(body);
    } else {
        shared.asked += 1;
    }
    let body = if shared.endless {
        let zeros = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
        Body::from_stream(futures_util::stream::iter(zeros))
    } else {
        Body::from(shared.content.clone())
    };
    let response = Response::builder().status(shared.status);
    let response = response.header("location", "https://localhost:1/elsewhere");
    response.body(body).unwrap()
}
