//! The listener over real sockets: slow and greedy peers beside a normal user, and the end of a server
//! under load.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use countersign::web::server::{Server, ServerOptions};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{
    guard::server_config,
    support::app::{Stage, TestApp},
};

const GET: &[u8] = b"GET /.well-known/openid-configuration HTTP/1.1\r\nhost: id.example\r\n\r\n";

pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        management: None,
        tls: None,
        mutual: None,
        max_connections: 10_000,
        max_connections_per_address: 10_000,
        trusted_proxies: Vec::new(),
        head_timeout: Duration::from_secs(30),
        drain: Duration::from_millis(300),
        shutdown_timeout: Duration::from_secs(10),
    }
}

/// An answer's head and body; `None` if the connection ended before it was whole.
async fn read_answer(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(GET).await.ok()?;
    read_answer(stream).await
}

#[derive(Default)]
struct Load {
    answered: AtomicUsize,
    lost: AtomicUsize,
}

/// Sends requests over kept connections until nobody is let in any more.
async fn send_requests(address: SocketAddr, load: &Load) {
    while let Ok(mut stream) = TcpStream::connect(address).await {
        let mut is_kept = false;
        loop {
            let Some(answer) = ask(&mut stream).await else {
                // A connection that the system took but the server did not was never served.
                load.lost.fetch_add(usize::from(is_kept), Ordering::Relaxed);
                break;
            };
            load.answered.fetch_add(1, Ordering::Relaxed);
            is_kept = true;
            if answer.contains("connection: close") {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stops_under_load_loses_no_request() {
    let router = Router::new().route(
        "/.well-known/openid-configuration",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            "{}"
        }),
    );
    for round in 0..20 {
        let server = Server::bind(options()).unwrap();
        let address = server.address().unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(router.clone(), Router::new(), stop.clone()));
        let load = Load::default();
        let work = join_all((0..32).map(|_| send_requests(address, &load)));
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(50 + 7 * round)).await;
            stop.cancel();
            running.await.unwrap().unwrap();
        };
        tokio::join!(work, stopping);
        let (answered, lost) = (load.answered.into_inner(), load.lost.into_inner());
        assert!(answered > 100, "round {round}: {answered} answered");
        assert_eq!(lost, 0, "round {round}: of {answered} requests");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_turns_before_anything_else_does() {
    let app = TestApp::start(Stage::Embedded).await;
    let server = Server::bind(ServerOptions {
        management: Some("127.0.0.1:0".parse().unwrap()),
        drain: Duration::from_secs(4),
        ..options()
    })
    .unwrap();
    let address = server.address().unwrap();
    let management = server.management_address().unwrap().unwrap();
    let stop = CancellationToken::new();
    let (config, has_stopped) = (server_config(), AtomicBool::new(false));
    let serving = async {
        app.app.serve(server, &config, stop.clone()).await.unwrap();
        has_stopped.store(true, Ordering::Relaxed);
    };
    let looking = async {
        let ready = format!("http://{management}/health/ready");
        assert_eq!(reqwest::get(&ready).await.unwrap().status(), 200);
        let mut kept = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut kept).await.is_some());
        stop.cancel();
        let answer = reqwest::get(&ready).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.text().await.unwrap().contains("\"stopping\":true"));
        // The kept connection goes on, and a new one is let in.
        let answer = ask(&mut kept).await.unwrap();
        assert!(!answer.contains("connection: close"), "{answer}");
        let mut fresh = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut fresh).await.is_some());
        assert!(!has_stopped.load(Ordering::Relaxed));
        while let Some(answer) = ask(&mut kept).await {
            if answer.contains("connection: close") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the connection was closed without a word");
    };
    tokio::join!(serving, looking);
}

/// A connection from this address of this machine.
async fn connect_from(source: &str, address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source.parse::<IpAddr>().unwrap(), 0))?;
    socket.connect(address).await
}

/// Connections that send nothing, half a head, or half a body.
async fn slow_connections(source: &str, address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for n in 0..count {
        let Ok(mut stream) = connect_from(source, address).await else {
            continue;
        };
        let begun: &[u8] = match n % 3 {
            0 => b"",
            1 => b"POST /oauth2/token HTTP/1.1\r\nhost: id.ex",
            _ => b"POST /oauth2/token HTTP/1.1\r\nhost: id.example\r\ncontent-length: 1000\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\ngrant",
        };
        let _ = stream.write_all(begun).await;
        open.push(stream);
    }
    open
}

/// How many of these connections the server has closed by itself, when all are.
async fn closed(streams: Vec<TcpStream>) -> Vec<String> {
    let ends = streams.into_iter().map(|mut stream| async move {
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).into_owned()
    });
    join_all(ends).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_connections_leave_a_normal_user_alone_and_are_ended() {
    let app = Arc::new(TestApp::start(Stage::Embedded).await);
    let server = Server::bind(ServerOptions {
        max_connections: 900,
        max_connections_per_address: 800,
        head_timeout: Duration::from_secs(3),
        drain: Duration::ZERO,
        ..options()
    })
    .unwrap();
    let address = server.address().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (app, stop) = (app.clone(), stop.clone());
        let config = countersign::config::ServerConfig {
            body_timeout: Duration::from_secs(3),
            ..server_config()
        };
        async move { app.app.serve(server, &config, stop).await.unwrap() }
    });
    let slow = slow_connections("127.0.0.2", address, 1_000).await;
    // They hold their share and no more: there is a place for somebody else, again and again.
    for _ in 0..50 {
        let mut user = connect_from("127.0.0.3", address).await.unwrap();
        for _ in 0..2 {
            let answer = ask(&mut user).await.unwrap();
            assert!(answer.starts_with("http/1.1 200"), "{answer}");
        }
    }
    let told = closed(slow).await;
    assert!(told.len() > 900, "{}", told.len());
    let timed_out = told
        .iter()
        .filter(|told| told.starts_with("HTTP/1.1 408"))
        .count();
    assert!(timed_out > 200, "{timed_out} bodies were ended with 408");
    // Their places are free again.
    let mut again = connect_from("127.0.0.2", address).await.unwrap();
    assert!(ask(&mut again).await.is_some());
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_may_have_any_number_of_connections() {
    let router = Router::new().route("/.well-known/openid-configuration", get(|| async { "{}" }));
    let server = Server::bind(ServerOptions {
        max_connections_per_address: 2,
        trusted_proxies: vec!["127.0.0.9/32".parse().unwrap()],
        drain: Duration::ZERO,
        ..options()
    })
    .unwrap();
    let address = server.address().unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(router, Router::new(), stop.clone()));
    for (source, expected) in [("127.0.0.9", 5), ("127.0.0.8", 2)] {
        let mut kept = Vec::new();
        for _ in 0..5 {
            let mut stream = connect_from(source, address).await.unwrap();
            if ask(&mut stream).await.is_some() {
                kept.push(stream);
            }
        }
        assert_eq!(kept.len(), expected, "{source}");
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}
