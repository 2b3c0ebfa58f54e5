//! Somebody whose password hash other software made logs in with the password, and has a hash of ours
//! afterwards.

use axum::http::StatusCode;
use countersign::application::{
    commands::import_records::{Import, Intent, Outcome},
    records::{Record, UserRecord},
};

use super::support::app::{Browser, TestApp, hidden_fields, on_both};

/// Made by other software, with their passwords.
const HASHES: [(&str, &str, &str); 3] = [
    (
        "bcrypt",
        "correct horse",
        "$2b$06$oHGlkYAXeQVMR.Njlcxoa.QcsRRuoU2hN06gilZjh3xeLRPxoP5QW",
    ),
    (
        "pbkdf2",
        "password",
        "$pbkdf2-sha256$i=1000$c2FsdA$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM",
    ),
    (
        "scrypt",
        "password",
        "$scrypt$ln=10,r=8,p=1$c2FsdA$FtvIkGdjx/BIl3po+dMF93EOBoyizZXas3ISW7Pxlgg",
    ),
];

/// The login without an application.
const OWN: &str = "/login?return_to=/account";

async fn hash_of(app: &TestApp, name: &str) -> String {
    let found = app.ports().store.reader().user_by_login(name).await;
    found.unwrap().unwrap().1.unwrap().as_str().to_owned()
}

/// Whether a login with this password succeeds.
async fn logs_in(app: &TestApp, name: &str, password: &str) -> bool {
    let mut browser = Browser::new(app);
    let page = browser.get(OWN).await;
    let fields = hidden_fields(&page.body);
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fields.extend([("username", name), ("password", password)]);
    browser.post(OWN, &fields).await;
    browser.get("/account").await.status == StatusCode::OK
}

on_both! {
    async fn a_hash_of_other_software_lets_in_and_is_replaced(app: TestApp) {
        let records = HASHES.map(|(username, _, hash)| {
            Record::User(Box::new(UserRecord {
                username: username.to_owned(),
                active: true,
                password_hash: Some(hash.to_owned()),
                ..UserRecord::default()
            }))
        });
        let registrar = app.registrar();
        let mut import = Import::new(&registrar, Intent::Import);
        let outcomes = import.take_in(&records).await.unwrap();
        assert!(outcomes.iter().all(|it| matches!(it, Outcome::Made)), "{outcomes:?}");
        for (name, password, hash) in HASHES {
            assert!(!logs_in(&app, name, "another password").await);
            assert_eq!(hash_of(&app, name).await, hash, "a wrong password replaces nothing");
            assert!(logs_in(&app, name, password).await, "{name}");
            let ours = hash_of(&app, name).await;
            assert!(ours.starts_with("$argon2id$"), "{name}");
            assert!(logs_in(&app, name, password).await, "{name} again");
            assert_eq!(hash_of(&app, name).await, ours);
        }
    }
}
