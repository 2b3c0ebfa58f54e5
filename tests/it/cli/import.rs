//! Users, roles and groups out of files and into them.

use serde_json::{Value, json};

use super::Desk;

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn write(desk: &Desk, name: &str, lines: &[Value]) -> String {
    let path = desk.0.path().join(name);
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let text = lines.join("\n");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// PBKDF2 with a thousand rounds, made with OpenSSL: the password is "password".
const HASH: &str = "$pbkdf2-sha256$i=1000$c2FsdA$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM";

fn people() -> Vec<Value> {
    vec![
        json!({ "type": "role", "name": "editor", "permissions": [{ "name": "document:write" }] }),
        json!({ "type": "group", "name": "staff", "roles": ["editor"] }),
        json!({ "type": "group", "name": "desk", "parent": "staff" }),
        json!({
            "type": "user", "id": "7d0f6e9a-5c1e-4f0d-9a35-3f5a1c1d2e01", "username": "Alice",
            "email": "alice@example.com", "email_verified": true, "profile": { "given_name": "Alice" },
            "roles": ["editor"], "groups": ["desk"], "claims": { "office": 3 }, "created_at": 1_600_000_000,
        }),
        json!({ "type": "user", "username": "bob", "active": false }),
    ]
}

#[test]
fn what_is_exported_can_be_imported_elsewhere_and_is_the_same() {
    let desk = Desk::migrated();
    let file = write(&desk, "people.jsonl", &people());
    let tried = desk.ok(&["import", &file, "--dry-run"]);
    assert_eq!((&tried["users"], &tried["groups"]), (&json!(2), &json!(2)));
    assert_eq!(desk.ok(&["user", "list"]), json!([]), "nothing changed");
    let made = desk.ok(&["import", &file]);
    assert_eq!(
        (&made["users"], &made["roles"], &made["refused"]),
        (&json!(2), &json!(1), &json!(0))
    );
    let again = desk.ok(&["import", &file]);
    assert_eq!(
        (&again["users"], &again["present"]),
        (&json!(0), &json!(5)),
        "resumed"
    );
    let alice = desk.ok(&["user", "show", "alice"]);
    assert_eq!(alice["id"], "7d0f6e9a-5c1e-4f0d-9a35-3f5a1c1d2e01");
    assert_eq!(alice["groups"], json!(["desk", "staff"]));

    let exported = desk.0.path().join("out.jsonl");
    let exported = exported.to_str().unwrap();
    let export = desk
        .command(&["export", "--to", exported])
        .output()
        .unwrap();
    assert!(export.status.success());
    let first = std::fs::read_to_string(exported).unwrap();
    assert!(!first.contains("password_hash"));
    let other = Desk::migrated();
    other.ok(&["import", exported]);
    let again = other.command(&["export"]).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), first);
    let twice = desk
        .command(&["export", "--to", exported])
        .output()
        .unwrap();
    assert!(
        !twice.status.success(),
        "a file that exists is not overwritten"
    );
}

#[test]
fn lines_that_cannot_be_accepted_are_refused_with_number_and_reason_and_the_others_go_in() {
    let desk = Desk::migrated();
    let mut lines = people();
    lines.extend([
        json!({ "type": "user", "username": "a b" }),
        json!({ "type": "user", "username": "carol", "email": "alice@example.com" }),
        json!({ "type": "user", "username": "dan", "roles": ["nothing"] }),
        json!({ "type": "user", "username": "eve", "password_hash": "$md5$canary" }),
        json!({ "type": "user", "username": "fred", "profile": { "phone_number": "12" } }),
        json!({ "type": "user", "username": "gil", "owner": true }),
        json!({ "type": "device", "name": "x" }),
        json!("text"),
        json!({ "type": "group", "name": "lost", "parent": "nowhere" }),
        json!({ "type": "user", "username": "henry" }),
    ]);
    let file = write(&desk, "people.jsonl", &lines);
    let refused = desk.0.path().join("refused.jsonl");
    let arguments = ["import", &file, "--refused", refused.to_str().unwrap()];
    let output = desk.run(&arguments);
    assert_eq!(
        output.status.code(),
        Some(1),
        "what came of it is printed all the same"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    for line in 6..=14 {
        assert!(said.contains(&format!("line {line}: ")), "{line}\n{said}");
    }
    assert!(!said.contains("canary"), "{said}");
    let users = desk.ok(&["user", "list"]);
    let names: Vec<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["username"])
        .collect();
    assert_eq!(names, ["alice", "bob", "henry"]);
    let report = std::fs::read_to_string(refused).unwrap();
    assert_eq!(report.lines().count(), 9);
    // The mended lines go in with the same file.
    let from = desk.ok(&["import", &file, "--from", "15"]);
    assert_eq!(from["present"], json!(1));
}

#[test]
fn a_realm_of_keycloak_is_taken_over() {
    let desk = Desk::migrated();
    let realm = json!({
        "realm": "shop", "clients": [{ "clientId": "account" }], "identityProviders": [],
        "roles": { "realm": [{ "name": "buyer", "description": "Buys" }, { "name": "offline_access", "description": "${role_offline-access}" }] },
        "groups": [
            { "name": "north", "path": "/north", "realmRoles": ["buyer"], "subGroups": [{ "name": "team", "subGroups": [] }] },
            { "name": "south", "subGroups": [{ "name": "team", "subGroups": [] }] },
        ],
        "users": [
            {
                "id": "7d0f6e9a-5c1e-4f0d-9a35-3f5a1c1d2e02", "username": "grace", "email": "grace@example.com",
                "emailVerified": true, "enabled": true, "firstName": "Grace", "lastName": "Hopper",
                "createdTimestamp": 1_600_000_000_000_i64, "attributes": { "locale": ["en"] },
                "credentials": [
                    {
                        "type": "password", "secretData": "{\"value\":\"YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=\",\"salt\":\"c2FsdA==\",\"additionalParameters\":{}}",
                        "credentialData": "{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}",
                    },
                    { "type": "otp", "secretData": "{}", "credentialData": "{}" },
                ],
                "realmRoles": ["buyer"], "groups": ["/south/team"],
            },
            { "username": "service-account-x", "enabled": true, "serviceAccountClientId": "x" },
            { "username": "nobody", "enabled": false, "credentials": [] },
        ],
    });
    let file = write(&desk, "realm.json", &[realm]);
    let output = desk.run(&["import", &file, "--format", "keycloak"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for note in [
        "1 clients are not",
        "1 users have no password",
        "1 credentials other",
    ] {
        assert!(said.contains(note), "{said}");
    }
    let grace = desk.ok(&["user", "show", "grace"]);
    assert_eq!(grace["id"], "7d0f6e9a-5c1e-4f0d-9a35-3f5a1c1d2e02");
    assert_eq!(
        (&grace["roles"], &grace["groups"]),
        (&json!(["buyer"]), &json!(["/south/team", "south"]))
    );
    assert_eq!(desk.ok(&["user", "show", "nobody"])["status"], "inactive");
    let out = desk
        .command(&["export", "--with-password-hashes"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(out.stdout).unwrap().contains(HASH),
        "until the next login"
    );
    desk.fails(2, &words("import countersign.toml --format keycloak"));
}

#[test]
fn applications_and_apis_go_along_and_come_in_by_the_rules_of_registration() {
    let desk = Desk::migrated();
    desk.ok(&[
        "client",
        "create",
        "--service",
        "--name",
        "Job",
        "--client-id",
        "job",
        "--scope",
        "a:read",
    ]);
    let api = [
        "resource",
        "add",
        "https://api.example",
        "--scope",
        "a:read",
    ];
    desk.ok(&[&api[..], &["--introspection-client", "job"]].concat());
    let web = [
        "client",
        "create",
        "--web",
        "--name",
        "Shop",
        "--client-id",
        "shop",
    ];
    let uris = [
        "--redirect-uri",
        "https://shop.example/cb",
        "--resource",
        "https://api.example",
    ];
    desk.ok(&[&web[..], &uris].concat());
    let spa = [
        "client",
        "create",
        "--spa",
        "--name",
        "Page",
        "--client-id",
        "page",
    ];
    desk.ok(&[&spa[..], &["--redirect-uri", "https://page.example/cb"]].concat());
    desk.ok(&[
        "client",
        "change",
        "shop",
        "--access-token-lifetime",
        "5m",
        "--policy-uri",
        "https://shop.example/p",
    ]);
    desk.ok(&["client", "disable", "page"]);
    let all = ["client", "list"];

    let out = desk.0.path().join("out.jsonl");
    let out = out.to_str().unwrap();
    let export = ["export", "--with-client-secrets", "--to", out];
    assert!(desk.run(&export).status.success());
    let other = Desk::migrated();
    let made = other.ok(&["import", out]);
    assert_eq!(
        (&made["clients"], &made["resources"]),
        (&json!(3), &json!(1)),
        "{made}"
    );
    assert_eq!(other.ok(&all), desk.ok(&all));
    assert_eq!(
        other.ok(&["client", "show", "shop"]),
        desk.ok(&["client", "show", "shop"])
    );
    let again = other.run(&["export", "--with-client-secrets"]).stdout;
    let text = std::fs::read_to_string(out).unwrap();
    assert_eq!(
        String::from_utf8(again).unwrap(),
        text,
        "with the digests of the secrets"
    );
    assert_eq!(other.ok(&["import", out])["clients"], 0, "resumed");

    // Without them nothing of a secret goes along.
    let bare = String::from_utf8(desk.run(&["export"]).stdout).unwrap();
    assert!(
        text.contains("digest") && !bare.contains("digest"),
        "{bare}"
    );
}

#[test]
fn nobody_gets_in_by_a_file_what_registration_refuses() {
    let desk = Desk::migrated();
    let web = [
        "client",
        "create",
        "--web",
        "--name",
        "Shop",
        "--client-id",
        "shop",
    ];
    desk.ok(&[&web[..], &["--redirect-uri", "https://shop.example/cb"]].concat());
    let text = String::from_utf8(desk.run(&["export"]).stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shop = lines.iter().find(|line| line["id"] == "shop").unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut line = shop.clone();
        line["id"] = json!("other");
        change(&mut line);
        line
    };
    let refused = [
        changed(&|it| it["redirect_uris"] = json!(["http://shop.example/cb"])),
        changed(&|it| it["resources"] = json!(["https://nothing.example"])),
        changed(&|it| it["grant_types"] = json!(["client_credentials"])),
        changed(&|it| it["kind"] = json!("spa")),
        changed(&|it| it["id"] = json!("7d0f6e9a-5c1e-4f0d-9a35-3f5a1c1d2e01")),
        changed(&|it| it["links"]["policy"] = json!("javascript:alert(1)")),
        changed(&|it| it["name"] = json!("")),
    ];
    let file = write(&desk, "refused.jsonl", &refused);
    let output = desk.run(&["import", &file]);
    let said = String::from_utf8(output.stderr).unwrap();
    for line in 1..=refused.len() {
        assert!(said.contains(&format!("line {line}: ")), "{line}\n{said}");
    }
}

#[test]
fn a_dry_run_knows_what_came_long_before() {
    let desk = Desk::migrated();
    let mut lines = people();
    // More lines than go into one transaction.
    lines.extend((0..1200).map(|number| {
        let username = format!("user-{number}");
        json!({ "type": "user", "username": username, "roles": ["editor"], "groups": ["desk"] })
    }));
    let file = write(&desk, "people.jsonl", &lines);
    let tried = desk.ok(&["import", &file, "--dry-run"]);
    assert_eq!(
        (&tried["users"], &tried["refused"]),
        (&json!(1202), &json!(0))
    );
    assert_eq!(desk.ok(&["user", "list"]), json!([]), "nothing changed");
}
