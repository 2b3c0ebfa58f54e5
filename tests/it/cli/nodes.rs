//! What a command ends takes effect on two running servers, which the command knows nothing of.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use super::{
    Desk,
    dev::{Dev, started},
    json as printed, send,
    state::serve,
};
use crate::support::{redis, sql::TestDatabase};

const PASSWORD: &str = "seven quiet lanterns";

/// Two servers on one PostgreSQL and one Redis.
struct Company {
    desk: Desk,
    settings: Vec<(&'static str, String)>,
    nodes: Vec<String>,
    http: Client,
    _running: Vec<Dev>,
    _database: TestDatabase,
}

impl Company {
    async fn start() -> Self {
        let database = TestDatabase::postgres().await;
        let desk = Desk::new();
        let settings = vec![
            ("ISSUER", "http://127.0.0.1".to_owned()),
            ("DATABASE__URL", database.url().to_owned()),
            ("STATE__REDIS_URL", redis::shared_url().to_owned()),
            (
                "STATE__REDIS_NAMESPACE",
                uuid::Uuid::new_v4().simple().to_string(),
            ),
        ];
        let borrowed: Vec<_> = settings.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (mut running, mut nodes) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (server, ready) = started(&mut serve(&desk, &borrowed));
            nodes.push(format!("http://{}", ready["listen"].as_str().unwrap()));
            running.push(server);
        }
        Self {
            desk,
            settings,
            nodes,
            http: Client::new(),
            _running: running,
            _database: database,
        }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Value {
        let mut command = self
            .desk
            .command(&[arguments, &["--output", "json"]].concat());
        for (name, value) in &self.settings {
            command.env(format!("COUNTERSIGN__{name}"), value);
        }
        printed(&send(command, input))
    }

    /// Alice signs in at the first node, as soon as that knows that she may.
    async fn log_in(&self) -> String {
        let body = json!({ "client_id": "app", "username": "alice", "password": PASSWORD });
        let url = format!("{}/api/auth/login", self.nodes[0]);
        for _ in 0..20 {
            let answer = self.http.post(&url).json(&body).send().await.unwrap();
            let tokens: Value = answer.json().await.unwrap();
            if let Some(token) = tokens["access_token"].as_str() {
                return token.to_owned();
            }
            // Seldom: each of these counts as a login that failed.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        panic!("nobody hears that she may");
    }

    async fn me(&self, node: &str, token: &str) -> u16 {
        let request = self.http.get(format!("{node}/api/auth/me"));
        request
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// Waits until every node answers so. A second is what is promised; a busy machine may take longer.
    async fn until(&self, status: u16, token: &str, verb: &[&str]) {
        for node in &self.nodes {
            for _ in 0..200 {
                if self.me(node, token).await == status {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(self.me(node, token).await, status, "{verb:?}");
        }
    }

    /// Runs a verb; every node then refuses the token.
    async fn ends(&self, verb: &[&str], token: &str) {
        self.until(200, token, verb).await;
        self.run(verb, "");
        self.until(401, token, verb).await;
    }
}

#[tokio::test]
async fn what_a_command_ends_is_ended_on_two_servers() {
    let company = Company::start().await;
    let user = ["user", "add", "alice", "--password-stdin"];
    company.run(&user, PASSWORD);
    let client = [
        "client",
        "create",
        "--native",
        "--name",
        "App",
        "--client-id",
        "app",
    ];
    let rights = [
        "--redirect-uri",
        "http://127.0.0.1/",
        "--consent",
        "implied",
        "--first-party-login",
    ];
    company.run(&[&client[..], &rights].concat(), "");
    for verb in [
        &["user", "end-sessions", "alice"][..],
        &["user", "disable", "alice"],
        &["client", "disable", "app"],
        &["client", "delete", "app", "--yes"],
    ] {
        // What was locked by the one before is opened again, which both hear of as well.
        company.run(&["user", "enable", "alice"], "");
        company.run(&["client", "enable", "app"], "");
        let token = company.log_in().await;
        company.ends(verb, &token).await;
    }
}
