//! The program as operators use it: arguments in, text or JSON and an exit code out.

mod administration;
mod backup;
mod branding;
mod dev;
mod doctor;
mod errors;
mod explain;
mod import;
mod nodes;
mod reading;
mod state;
mod tokens;
mod users;
mod validate;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

/// A directory with a configuration, in which the program runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "issuer = \"https://id.example\"\n[passwords]\nmemory_kib = 64\npasses = 1\n";
        std::fs::write(folder.path().join("countersign.toml"), text).unwrap();
        Self(folder)
    }

    fn migrated() -> Self {
        let desk = Self::new();
        desk.ok(&["migrate", "up"]);
        desk
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .env_remove("COUNTERSIGN_CONFIG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        send(self.command(arguments), input)
    }

    /// Runs what must succeed, with JSON as its result.
    fn ok(&self, arguments: &[&str]) -> Value {
        json(&self.run(&[arguments, &["--output", "json"]].concat()))
    }

    fn ok_with(&self, arguments: &[&str], input: &str) -> Value {
        json(&self.run_with(&[arguments, &["--output", "json"]].concat(), input))
    }

    /// Runs what must fail with this exit code: what it says on standard error.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        failed(code, &self.run(arguments))
    }
}

/// Runs `command` with this on its standard input.
fn send(mut command: Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn failed(code: i32, output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty());
    errors
}

#[test]
fn a_user_is_made_shown_locked_out_and_let_in_again() {
    let desk = Desk::migrated();
    let role = ["role", "add", "editor", "--permission", "articles:write"];
    assert_eq!(desk.ok(&role)["name"], "editor");
    let add = "user add Alice --email Alice@Example.com --given-name Alice --role editor --password-stdin";
    let add: Vec<_> = add.split(' ').collect();
    let user = desk.ok_with(&add, &format!("{PASSWORD}\n"));
    assert_eq!(user["username"], "alice");
    let shown = desk.ok(&["user", "show", "alice@example.com"]);
    assert_eq!(shown["id"], user["id"]);
    assert_eq!(shown["roles"], serde_json::json!(["editor"]));
    assert_eq!(shown["permissions"][0]["name"], "articles:write");
    assert_eq!(shown["has_password"], true);
    assert!(!shown.to_string().contains("argon2"));
    assert_eq!(desk.ok(&["user", "disable", "alice"])["status"], "inactive");
    assert_eq!(desk.ok(&["user", "enable", "alice"])["status"], "active");
    assert_eq!(desk.ok(&["user", "list"])[0]["username"], "alice");
    let shown = desk.ok(&["user", "roles", "alice", "--remove", "editor"]);
    assert_eq!(shown["roles"], serde_json::json!([]));
}

#[test]
fn an_operator_hands_out_a_link_to_choose_a_password() {
    let desk = Desk::migrated();
    desk.ok(&["user", "add", "wonderwoman", "--no-password"]);
    let invited = desk.ok(&["user", "invite", "wonderwoman"]);
    let link = invited["link"].as_str().unwrap();
    assert!(
        link.starts_with("https://id.example/reset?token="),
        "{link}"
    );
    desk.fails(3, &["user", "invite", "nobody"]);
}

#[test]
fn the_command_line_screens_passwords_like_everybody_else() {
    let desk = Desk::migrated();
    let (first, last) = ("0".repeat(40), "F".repeat(40));
    // The SHA-1 of the last password below.
    let digest = "E989B74A099FB5D02C7C615D5DCD635A455B4951";
    let stolen = format!("{first}:1\n{digest}:3\n{last}:2\n");
    let file = desk.0.path().join("stolen.txt");
    std::fs::write(&file, stolen).unwrap();
    let setting = [("COUNTERSIGN__PASSWORDS__BREACHED_FILE", file)];
    let add = ["user", "add", "wonderwoman", "--password-stdin"];
    let attempt = |password: &str| {
        let mut command = desk.command(&add);
        command.envs(setting.clone());
        send(command, password)
    };
    for (password, problem) in [
        ("seven 7", "at least 8 characters"),
        ("Password", "most common passwords"),
        ("WonderWoman-26", "must not be made of your name"),
        ("id.example.1", "must not be made of your name"),
        ("kx9 qv!z stolen", "was stolen"),
    ] {
        let errors = failed(2, &attempt(password));
        assert!(errors.contains(problem), "{password}: {errors}");
    }
    assert!(attempt("kx9 qv!z").status.success());
    let set = ["user", "set-password", "wonderwoman", "--password-stdin"];
    let errors = failed(2, &desk.run_with(&set, "iloveyou"));
    assert!(errors.contains("most common passwords"), "{errors}");
}

#[test]
fn standard_claims_come_from_a_file_and_a_misspelled_one_is_named() {
    let desk = Desk::migrated();
    let file = desk.0.path().join("claims.json");
    let claims = r#"{"given_name":"Ann","birthdate":"1990-10-31","address":{"locality":"Berlin"}}"#;
    std::fs::write(&file, claims).unwrap();
    let add = [
        "user",
        "add",
        "ann",
        "--no-password",
        "--claims",
        "claims.json",
    ];
    let user = desk.ok(&[&add[..], &["--family-name", "Example"]].concat());
    assert_eq!(user["profile"]["first_name"], "Ann");
    assert_eq!(user["profile"]["last_name"], "Example");
    assert_eq!(user["profile"]["address"]["locality"], "Berlin");
    std::fs::write(&file, r#"{"birthday":"1990-10-31"}"#).unwrap();
    let add = [
        "user",
        "add",
        "bob",
        "--no-password",
        "--claims",
        "claims.json",
    ];
    assert!(desk.fails(2, &add).contains("birthday"));
}

#[test]
fn what_cannot_be_done_says_why_and_what_to_do_next() {
    let desk = Desk::new();
    assert!(
        desk.fails(1, &["user", "list"])
            .contains("countersign migrate up")
    );
    desk.ok(&["migrate", "up"]);
    let unknown = desk.fails(3, &["user", "show", "nobody"]);
    assert!(
        unknown.contains("there is no user \"nobody\"") && unknown.contains("hint:"),
        "{unknown}"
    );
    desk.fails(3, &["client", "show", "nothing"]);
    desk.ok(&["user", "add", "bob", "--no-password"]);
    desk.fails(4, &["user", "add", "BOB", "--no-password"]);
    desk.fails(2, &["user", "add", "b b", "--no-password"]);
    desk.fails(
        3,
        &["user", "add", "carol", "--no-password", "--role", "nothing"],
    );
    desk.fails(3, &["user", "show", "carol"]);
    let short = desk.run_with(
        &["user", "set-password", "bob", "--password-stdin"],
        "short\n",
    );
    let errors = failed(2, &short);
    assert!(
        errors.contains("at least 8") && !errors.contains("short"),
        "{errors}"
    );
}

#[test]
fn a_secret_is_shown_once_and_rotation_lets_the_old_one_overlap() {
    let desk = Desk::migrated();
    let create =
        "client create --web --name Shop --client-id shop --redirect-uri https://shop.example/cb";
    let create: Vec<_> = create.split(' ').collect();
    let made = desk.ok(&create);
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.len() >= 43);
    let shown = desk.ok(&["client", "show", "shop"]);
    assert_eq!(shown["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1);
    assert!(!shown.to_string().contains(secret) && !shown.to_string().contains("digest"));
    desk.fails(4, &create);
    let rotated = desk.ok(&["client", "rotate-secret", "shop", "--overlap", "1h"]);
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    let secrets = &rotated["client"]["secrets"];
    assert!(
        secrets[0]["expires_at"].is_i64() && secrets[1]["expires_at"].is_null(),
        "{secrets}"
    );
    let rotated = desk.ok(&["client", "rotate-secret", "shop", "--overlap", "0s"]);
    assert_eq!(rotated["client"]["secrets"].as_array().unwrap().len(), 1);
    assert_eq!(
        desk.ok(&["client", "disable", "shop"])["status"],
        "inactive"
    );
    let asked = desk.fails(2, &["client", "delete", "shop"]);
    assert!(asked.contains("--yes"), "{asked}");
    desk.ok(&["client", "delete", "shop", "--yes"]);
    desk.fails(3, &["client", "delete", "shop", "--yes"]);
}

#[test]
fn every_kind_of_application_gets_a_safe_preset() {
    let desk = Desk::migrated();
    let create = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        desk.ok(&[&["client", "create", "--name", "X"], arguments.as_slice()].concat())
    };
    let spa = create("--spa --redirect-uri https://x.example/cb --origin https://x.example");
    assert!(spa["client_secret"].is_null());
    assert_eq!(spa["client"]["token_endpoint_auth_method"], "none");
    assert_eq!(spa["client"]["pkce"], "required");
    let native = create("--native --redirect-uri com.example.x:/cb");
    assert_eq!(native["client"]["kind"], "native");
    let service = create("--service --scope a:b");
    assert_eq!(
        service["client"]["grant_types"],
        serde_json::json!(["client_credentials"])
    );
    let web =
        create("--web --redirect-uri https://x.example/cb --pkce-optional --id-token-alg ES256");
    assert_eq!(web["client"]["pkce"], "optional");
    assert_eq!(web["client"]["tokens"]["id_token_algorithm"], "ES256");
    let every_mode = serde_json::json!(["query", "fragment", "form_post"]);
    assert_eq!(web["client"]["response_modes"], every_mode);
    let posted = create("--web --redirect-uri https://x.example/cb --response-mode form_post");
    let form_post = serde_json::json!(["form_post"]);
    assert_eq!(posted["client"]["response_modes"], form_post);
}

#[test]
fn an_unsafe_client_is_not_registered() {
    let desk = Desk::migrated();
    for arguments in [
        "--web --redirect-uri http://x.example/cb",
        "--web --redirect-uri https://x.example/cb#f",
        "--web --redirect-uri com.example.x:/cb",
        "--web",
        "--service --redirect-uri https://x.example/cb",
        "--service --auth-method none",
        "--spa --redirect-uri https://x.example/cb --auth-method client_secret_basic",
        "--spa --redirect-uri https://x.example/cb --origin https://x.example/path",
        "--spa --redirect-uri https://x.example/cb --origin http://x.example",
        "--web --redirect-uri https://x.example/cb --auth-method private_key_jwt",
        "--web --redirect-uri https://x.example/cb --client-id a:b",
        "--web --redirect-uri https://x.example/cb --resource not-a-uri",
        "--web --redirect-uri https://x.example/cb --response-mode jwt",
        "--service --scope a:b --response-mode query",
        "--service --scope a:b --assertion-audience token-endpoint",
        "--spa --web --redirect-uri https://x.example/cb",
        "--redirect-uri https://x.example/cb",
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let all = [&["client", "create", "--name", "X"], arguments.as_slice()].concat();
        let errors = desk.fails(2, &all);
        assert!(errors.starts_with("error: "), "{arguments:?}: {errors}");
    }
    let unknown = "client create --name X --service --resource https://nothing.example";
    let unknown: Vec<_> = unknown.split(' ').collect();
    assert!(
        desk.fails(3, &unknown)
            .contains("countersign resource list")
    );
    let all = "client create --name X --web --redirect-uri https://x.example/cb --secret-stdin";
    let all: Vec<_> = all.split(' ').collect();
    let errors = failed(2, &desk.run_with(&all, "hunter2"));
    assert!(!errors.contains("hunter2"), "{errors}");
    assert_eq!(desk.ok(&["client", "list"]), serde_json::json!([]));
}

#[test]
fn resource_servers_are_made_known_and_listed() {
    let desk = Desk::migrated();
    let add = [
        "resource",
        "add",
        "https://api.example",
        "--scope",
        "a:read a:write",
    ];
    desk.ok(&add);
    desk.ok(&[
        "resource",
        "add",
        "https://api.example",
        "--name",
        "The API",
        "--access-token-format",
        "opaque",
    ]);
    let listed = desk.ok(&["resource", "list"]);
    let listed = listed.as_array().unwrap();
    let of = |identifier: &str| {
        listed
            .iter()
            .find(|it| it["identifier"] == identifier)
            .unwrap()
    };
    assert_eq!(listed.len(), 2, "it and the administration API");
    assert_eq!(of("https://api.example")["name"], "The API");
    assert_eq!(of("https://api.example")["access_token_format"], "opaque");
    assert_eq!(of("https://id.example/api/admin")["name"], "Administration");
    let change = ["resource", "change", "https://api.example"];
    let changed = desk.ok(&[
        &change[..],
        &["--scope", "a:read", "--any-access-token-format"],
    ]
    .concat());
    assert_eq!(changed["name"], "The API");
    assert_eq!(
        (&changed["scope"], &changed["access_token_format"]),
        (&"a:read".into(), &Value::Null)
    );
    desk.fails(
        3,
        &["resource", "change", "https://other.example", "--name", "x"],
    );
    let delete = ["resource", "delete", "https://api.example"];
    assert!(desk.fails(2, &delete).contains("--yes"));
    desk.ok(&[&delete[..], &["--yes"]].concat());
    desk.fails(3, &[&delete[..], &["--yes"]].concat());
    assert_eq!(desk.ok(&["resource", "list"]).as_array().unwrap().len(), 1);
    desk.fails(2, &["resource", "add", "https://api.example#f"]);
    desk.fails(
        3,
        &[
            "resource",
            "add",
            "https://api.example",
            "--introspection-client",
            "nothing",
        ],
    );
}
