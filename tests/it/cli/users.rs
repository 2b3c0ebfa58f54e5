//! Verbs that change, look at, and remove accounts; next to a running server.

use std::time::Duration;

use super::{Desk, dev::start_dev};

fn add_alice(desk: &Desk) {
    let add = [
        "user",
        "add",
        "alice",
        "--email",
        "alice@example.com",
        "--password-stdin",
    ];
    desk.ok_with(&[&add[..], &["--email-verified"]].concat(), super::PASSWORD);
}

#[test]
fn a_user_is_changed_and_the_trail_says_what_was_before() {
    let desk = Desk::migrated();
    add_alice(&desk);
    let change = "user change alice --username alicia --email new@example.com \
                  --set given_name=Zoë --set locality=Zürich --set locale=de_CH";
    let changed = desk.ok(&change.split_whitespace().collect::<Vec<_>>());
    assert_eq!(changed["username"], "alicia");
    assert_eq!(
        (&changed["email"], &changed["email_verified"]),
        (&"new@example.com".into(), &false.into())
    );
    assert_eq!(changed["profile"]["locale"], "de-CH");
    assert_eq!(changed["profile"]["address"]["locality"], "Zürich");
    let changed = desk.ok(&[
        "user",
        "change",
        "alicia",
        "--unset",
        "locality",
        "--no-email",
    ]);
    assert!(
        changed["profile"]["address"].is_null() && changed["email"].is_null(),
        "{changed}"
    );
    let events = desk.ok(&["audit", "list", "--kind", "user.changed"]);
    let renamed = events.as_array().unwrap().iter().any(|event| {
        let detail = &event["detail"];
        detail["before"]["username"] == "alice" && detail["after"]["username"] == "alicia"
    });
    assert!(renamed, "{events}");
}

#[test]
fn what_does_not_fit_a_claim_is_refused_with_the_way_to_write_it() {
    let desk = Desk::migrated();
    add_alice(&desk);
    for (arguments, said) in [
        ("--set phone_number=0446681800", "+41 44 668 18 00"),
        ("--set shoe_size=42", "choose among given_name"),
        ("--set given_name", "given_name=Alice"),
        ("--set given_name=", "--unset given_name"),
        (
            "--set given_name=A --unset given_name",
            "both set and unset",
        ),
        ("--email nonsense", "email"),
        ("", "required"),
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let error = desk.fails(2, &[&["user", "change", "alice"], &arguments[..]].concat());
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    let add = "user add bob --no-password --phone-number 12345";
    let error = desk.fails(2, &add.split_whitespace().collect::<Vec<_>>());
    assert!(error.contains("phone_number"), "{error}");
    // A name that somebody has is refused, and nothing of the rest is kept.
    desk.ok(&["user", "add", "bob", "--no-password"]);
    desk.fails(
        4,
        &[
            "user",
            "change",
            "bob",
            "--username",
            "alice",
            "--set",
            "nickname=b",
        ],
    );
    assert!(desk.ok(&["user", "show", "bob"])["profile"]["nickname"].is_null());
}

#[test]
fn an_account_is_removed_only_when_that_is_meant() {
    let desk = Desk::migrated();
    add_alice(&desk);
    let asked = desk.fails(2, &["user", "delete", "alice"]);
    assert!(
        asked.contains("Remove alice") && asked.contains("--yes"),
        "{asked}"
    );
    assert_eq!(
        desk.ok(&["user", "sessions", "alice"]),
        serde_json::json!([])
    );
    desk.ok(&["user", "delete", "alice", "--yes"]);
    desk.fails(3, &["user", "show", "alice"]);
    desk.fails(3, &["user", "delete", "alice", "--yes"]);
    let events = desk.ok(&["audit", "list", "--kind", "user.deleted"]);
    assert_eq!(events[0]["actor"], "operator");
    // The name is free again, for somebody else.
    add_alice(&desk);
}

/// What a command ends is over on a running server within a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_follows_within_a_second() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (_running, ready) = start_dev(&desk);
    let issuer = ready["issuer"].as_str().unwrap().to_owned();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let user = ready["user"]["username"].as_str().unwrap();
    let password = ready["user"]["password"].as_str().unwrap();
    let cookies = sign_in(&http, &issuer, user, password).await;
    let account = async || {
        let page = http
            .get(format!("{issuer}/account"))
            .header("cookie", &cookies);
        page.send().await.unwrap().status().as_u16()
    };
    assert_eq!(account().await, 200);
    let sessions = desk.ok(&["user", "sessions", user]);
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    assert_eq!(sessions[0]["user_agent"], "a test/1");
    desk.ok(&["user", "end-sessions", user]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(account().await, 303);
    assert_eq!(desk.ok(&["user", "sessions", user]), serde_json::json!([]));
    let cookies = sign_in(&http, &issuer, user, password).await;
    desk.ok(&["user", "delete", user, "--yes"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let page = http
        .get(format!("{issuer}/account"))
        .header("cookie", &cookies);
    assert_eq!(page.send().await.unwrap().status(), 303);
}

/// Signs in on the account's own login page: the cookies, as a browser would send them.
async fn sign_in(http: &reqwest::Client, issuer: &str, user: &str, password: &str) -> String {
    let uri = format!("{issuer}/login?return_to=/account");
    let page = http.get(&uri).send().await.unwrap();
    let first = cookies_of(&page);
    let body = page.text().await.unwrap();
    let mut fields = crate::support::app::hidden_fields(&body);
    fields.push(("username".to_owned(), user.to_owned()));
    fields.push(("password".to_owned(), password.to_owned()));
    let answer = http
        .post(&uri)
        .header("cookie", first.join("; "))
        .header("origin", issuer)
        .header("user-agent", "a test/1")
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    cookies_of(&answer).join("; ")
}

fn cookies_of(answer: &reqwest::Response) -> Vec<String> {
    let lines = answer.headers().get_all("set-cookie").iter();
    let lines = lines.map(|line| line.to_str().unwrap());
    lines
        .filter(|line| !line.contains("Max-Age=0"))
        .map(|line| line.split(';').next().unwrap().to_owned())
        .collect()
}
