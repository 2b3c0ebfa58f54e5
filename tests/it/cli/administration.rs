//! The first administrator, and groups and roles at the command line.

use serde_json::json;

use super::{Desk, dev::start_dev};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn groups_are_made_nested_filled_and_removed() {
    let desk = Desk::migrated();
    desk.ok_with(&words("user add alice --password-stdin"), super::PASSWORD);
    desk.ok(&words("role add reader --permission document:read"));
    desk.ok(&words("role add editor --permission document:write"));
    desk.ok(&words("group add staff --role reader"));
    let editors = desk.ok(&words("group add editors --role editor --within staff"));
    assert_eq!(
        (&editors["roles"], &editors["parent"]),
        (&json!(["editor"]), &json!("staff"))
    );
    desk.ok(&words("group join editors alice"));
    let alice = desk.ok(&words("user show alice"));
    assert_eq!(alice["roles"], json!(["editor", "reader"]), "{alice}");
    desk.fails(2, &words("group nest staff --within editors"));
    let alone = desk.ok(&words("group nest editors"));
    assert_eq!(alone["parent"], json!(null));
    let changed = desk.ok(&words("group roles editors --role reader --role editor"));
    assert_eq!(changed["roles"], json!(["editor", "reader"]));
    desk.ok(&words("group leave editors alice"));
    assert_eq!(desk.ok(&words("user show alice"))["roles"], json!([]));
    assert_eq!(desk.ok(&words("group list")).as_array().unwrap().len(), 2);
    let asked = desk.fails(2, &words("group delete editors"));
    assert!(asked.contains("--yes"), "{asked}");
    desk.ok(&words("group delete editors --yes"));
    desk.fails(3, &words("group show editors"));
    desk.fails(3, &words("group join staff nobody"));
    desk.fails(4, &words("group add staff"));
}

#[test]
fn a_client_is_changed_by_flags_and_the_trail_says_what_was_before() {
    let desk = Desk::migrated();
    desk.ok(&words(
        "client create --web --name Shop --client-id shop --redirect-uri https://shop.example/cb",
    ));
    let changed = desk.ok(&words(
        "client change shop --name Store --redirect-uri https://store.example/cb --scope openid \
         --access-token-lifetime 5m --refresh-grace 0s --pkce optional --consent always \
         --logo-uri https://store.example/logo.svg --default-max-age 900 --refresh-rotation keep",
    ));
    assert_eq!(changed["name"], "Store");
    assert_eq!(
        changed["redirect_uris"],
        json!(["https://store.example/cb"])
    );
    assert_eq!(changed["tokens"]["access_token_lifetime"]["secs"], 300);
    assert_eq!(changed["links"]["logo"], "https://store.example/logo.svg");
    assert_eq!(
        (&changed["pkce"], &changed["consent"]),
        (&json!("optional"), &json!("always"))
    );
    let back = desk.ok(&words(
        "client change shop --unset access-token-lifetime --unset logo-uri --unset default-max-age",
    ));
    assert_eq!(back["tokens"]["access_token_lifetime"], json!(null));
    assert_eq!(
        (&back["links"]["logo"], &back["default_max_age"]),
        (&json!(null), &json!(null))
    );
    desk.ok(&words(
        "client change shop --origin https://store.example --allow-permission order:*",
    ));
    let emptied = desk.ok(&words("client change shop --unset origin"));
    assert_eq!(emptied["allowed_origins"], json!([]));
    assert_eq!(
        emptied["rights"]["permissions"],
        json!(["order:*"]),
        "not said, so kept"
    );
    for wrong in [
        "client change shop --access-token-lifetime 2d",
        "client change shop --logo-uri http://store.example/logo.svg",
        "client change shop --redirect-uri http://store.example/cb",
        "client change shop --consent never",
    ] {
        desk.fails(2, &words(wrong));
    }
    desk.fails(3, &words("client change nothing --name X"));
    let events = desk.ok(&words("audit list --kind client.changed"));
    let renamed = events.as_array().unwrap().iter().any(|event| {
        let detail = &event["detail"];
        detail["before"]["name"] == "Shop" && detail["after"]["name"] == "Store"
    });
    assert!(renamed, "{events}");
}

#[test]
fn roles_lose_permissions_and_are_removed() {
    let desk = Desk::migrated();
    desk.ok(&words(
        "role add editor --permission document:read --permission document:write",
    ));
    let left = desk.ok(&words("role revoke editor --permission document:write"));
    let names: Vec<_> = left["permissions"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "{left}");
    desk.fails(3, &words("role revoke editor --permission document:write"));
    desk.fails(2, &words("role revoke editor"));
    desk.fails(2, &words("role delete editor"));
    desk.ok(&words("role delete editor --yes"));
    desk.fails(3, &words("role delete editor --yes"));
}

#[tokio::test]
async fn the_first_administrator_chooses_a_password_and_calls_the_api() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (_running, ready) = start_dev(&desk);
    let issuer = ready["issuer"].as_str().unwrap().to_owned();
    let made = desk.ok(&words("admin create ada --email ada@example.com"));
    assert_eq!(
        (&made["username"], &made["role"]),
        (&json!("ada"), &json!("owner"))
    );
    let link = made["link"].as_str().unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let page = http.get(link).send().await.unwrap().text().await.unwrap();
    let mut fields = crate::support::app::hidden_fields(&page);
    fields.push(("password".to_owned(), super::PASSWORD.to_owned()));
    fields.push(("again".to_owned(), super::PASSWORD.to_owned()));
    let chosen = http
        .post(format!("{issuer}/reset"))
        .header("origin", &issuer)
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert!(chosen.status().is_success(), "{}", chosen.status());
    let used = http.get(link).send().await.unwrap();
    assert_eq!(used.status(), 410, "the link works once");

    // The administration API is a resource that every server knows.
    let audience = made["audience"].as_str().unwrap();
    let create =
        format!("client create --service --name Desk --scope users:read --resource {audience}");
    let client = desk.ok(&words(&create));
    let answer = http
        .post(format!("{issuer}/oauth2/token"))
        .basic_auth(
            client["client_id"].as_str().unwrap(),
            client["client_secret"].as_str(),
        )
        .form(&[
            ("grant_type", "client_credentials"),
            ("scope", "users:read"),
            ("resource", audience),
        ])
        .send()
        .await
        .unwrap();
    let token: serde_json::Value = answer.json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();
    let users = http.get(format!("{issuer}/api/admin/users?search=ada"));
    let users: serde_json::Value = users
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(users["items"][0]["email"], "ada@example.com");

    // Who was locked out is let in again, as an owner.
    desk.ok(&words("user disable ada"));
    desk.ok(&words("user roles ada --remove owner"));
    let back = desk.ok(&words("admin recover ada"));
    assert!(back["link"].as_str().unwrap().starts_with(&issuer));
    let shown = desk.ok(&words("user show ada"));
    assert_eq!(
        (&shown["status"], &shown["roles"]),
        (&json!("active"), &json!(["owner"]))
    );
    desk.fails(3, &words("admin recover nobody"));
    desk.fails(4, &words("admin create ada"));
}
