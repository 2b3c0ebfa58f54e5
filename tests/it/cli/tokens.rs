//! `token` and `perform`, against a running server.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Value, json};

use super::{
    Desk,
    dev::{Dev, start_dev},
    failed, json as printed, send,
};
use crate::support::app::{encode, hidden_fields};

struct Site {
    desk: Desk,
    ready: Value,
    _dev: Dev,
}

impl Site {
    fn start() -> Self {
        let desk = Desk::new();
        let (dev, ready) = start_dev(&desk);
        Self {
            desk,
            ready,
            _dev: dev,
        }
    }

    /// A verb at this issuer, as a client with its secret.
    fn command(&self, arguments: &[&str], client: &str) -> std::process::Command {
        let issuer = self.ready["issuer"].as_str().unwrap();
        let more = ["--issuer", issuer, "--client", client, "--output", "json"];
        let mut command = self.desk.command(&[arguments, &more].concat());
        if let Some(secret) = self.ready["clients"][client]["client_secret"].as_str() {
            command.env("COUNTERSIGN_CLIENT_SECRET", secret);
        }
        command
    }

    fn ok(&self, arguments: &[&str], client: &str, input: &str) -> Value {
        printed(&send(self.command(arguments, client), input))
    }

    fn decoded(&self, token: &str, more: &[&str]) -> std::process::Output {
        let issuer = self.ready["issuer"].as_str().unwrap();
        let verb = ["token", "decode", "--issuer", issuer, "--output", "json"];
        send(self.desk.command(&[&verb, more].concat()), token)
    }

    /// Signs the demo user in at `url`, as a browser would; the redirect to the application.
    async fn sign_in(&self, url: &str) -> String {
        let issuer = self.ready["issuer"].as_str().unwrap();
        let password = self.ready["user"]["password"].as_str().unwrap();
        let builder = Client::builder()
            .redirect(Policy::none())
            .cookie_store(true);
        let http = builder.build().unwrap();
        let mut url = url.to_owned();
        for _ in 0..8 {
            let answer = http.get(&url).send().await.unwrap();
            let answer = if answer.status() == StatusCode::OK {
                let page = answer.text().await.unwrap();
                let (path, more) = if page.contains("action=\"/login") {
                    ("/login", ("password", password))
                } else {
                    ("/consent", ("decision", "approve"))
                };
                let fields = hidden_fields(&page);
                let mut fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
                fields.extend([("username", "demo"), more]);
                let request = http
                    .post(format!("{issuer}{path}"))
                    .header("origin", issuer)
                    .header("content-type", "application/x-www-form-urlencoded");
                request.body(encode(&fields)).send().await.unwrap()
            } else {
                answer
            };
            let location = answer.headers()["location"].to_str().unwrap();
            if location.starts_with('/') {
                url = format!("{issuer}{location}");
            } else if location.starts_with(issuer) {
                location.clone_into(&mut url);
            } else {
                return location.to_owned();
            }
        }
        panic!("no end of redirects");
    }

    /// Runs `perform code` up to the moment at which the browser is to come: it, and the address.
    fn begin(
        &self,
        client: &str,
        more: &[&str],
    ) -> (Child, BufReader<std::process::ChildStderr>, String) {
        let mut command = self.command(&[&["perform", "code"], more].concat(), client);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        let mut line = String::new();
        while !line.starts_with("Waiting") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended");
            if line.trim().starts_with("http") {
                line.trim().clone_into(&mut address);
            }
        }
        (child, stderr, address)
    }
}

#[test]
fn a_service_gets_a_token_which_is_read_verified_asked_about_and_ended() {
    let site = Site::start();
    let performed = site.ok(&["perform", "client-credentials"], "demo-service", "");
    let token = performed["answer"]["access_token"].as_str().unwrap();
    assert_eq!(
        performed["decoded"]["access_token"]["claims"]["client_id"],
        "demo-service"
    );

    let read = printed(&site.decoded(token, &[]));
    assert_eq!(
        (&read["claims"]["iss"], &read["verified"]),
        (&site.ready["issuer"], &json!(false))
    );
    assert_eq!(
        printed(&site.decoded(token, &["--verify"]))["verified"],
        true
    );
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{rest}.{first}{}", &signature[1..]);
    let said = failed(1, &site.decoded(&forged, &["--verify"]));
    assert!(said.contains("signed this token"), "{said}");
    failed(1, &site.decoded("no token", &[]));
    failed(2, &site.decoded(" ", &[]));

    let asked = site.ok(&["token", "introspect"], "demo-service", token);
    assert_eq!(asked["active"], true);
    site.ok(&["token", "revoke"], "demo-service", token);
    let asked = site.ok(&["token", "introspect"], "demo-service", token);
    assert_eq!(asked, json!({ "active": false }));
}

#[test]
fn what_the_provider_refuses_is_said_with_what_to_do() {
    let site = Site::start();
    let mut command = site.command(&["perform", "client-credentials"], "demo-service");
    command.env("COUNTERSIGN_CLIENT_SECRET", "not the secret");
    let said = failed(1, &send(command, ""));
    assert!(
        said.contains("invalid_client") && said.contains("COUNTERSIGN_CLIENT_SECRET"),
        "{said}"
    );
    assert!(!said.contains("not the secret"), "{said}");
    let command = site.command(&["perform", "refresh"], "demo-spa");
    let said = failed(1, &send(command, "made-up"));
    assert!(said.contains("invalid_grant"), "{said}");
    let elsewhere = [
        "perform",
        "client-credentials",
        "--client",
        "x",
        "--issuer",
        "http://127.0.0.1:9",
    ];
    site.desk.fails(5, &elsewhere);
}

#[tokio::test]
async fn a_user_signs_in_and_the_refresh_token_goes_on() {
    let site = Site::start();
    let more = [
        "--redirect-uri",
        "http://localhost:5173/callback",
        "--scope",
        "openid offline_access",
    ];
    let (child, _stderr, address) = site.begin("demo-spa", &more);
    let callback = site.sign_in(&address).await;
    assert!(
        callback.starts_with("http://localhost:5173/callback?"),
        "{callback}"
    );
    let shown = reqwest::get(&callback).await.unwrap().text().await.unwrap();
    assert!(shown.contains("Done"), "{shown}");
    let performed = printed(&child.wait_with_output().unwrap());
    let claims = &performed["decoded"]["id_token"]["claims"];
    assert_eq!(
        (&claims["aud"], &claims["iss"]),
        (&json!("demo-spa"), &site.ready["issuer"])
    );
    let refresh = performed["answer"]["refresh_token"].as_str().unwrap();
    let next = site.ok(&["perform", "refresh"], "demo-spa", refresh);
    assert!(next["answer"]["refresh_token"].is_string(), "{next}");
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    let site = Site::start();
    let more = ["--redirect-uri", "http://localhost:3000/callback"];
    let (child, mut stderr, _) = site.begin("demo-web", &more);
    let forged = "http://localhost:3000/callback?code=made-up&state=made-up";
    reqwest::get(forged).await.unwrap();
    assert!(!child.wait_with_output().unwrap().status.success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert!(said.contains("another state"), "{said}");
    let outside = [
        "perform",
        "code",
        "--redirect-uri",
        "http://192.0.2.1/callback",
    ];
    failed(2, &site.command(&outside, "demo-web").output().unwrap());
}
