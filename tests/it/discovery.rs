//! Discovery and JWKS: what is advertised works, what works is advertised.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::Value;
use tower::ServiceExt as _;

use super::support::app::{Browser, CALLBACK, ISSUER, SECRET, claims, encode, on_both};

const WELL_KNOWN: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect()
}

on_both! {
    async fn both_addresses_serve_the_same_complete_document(app: TestApp) {
        let [openid, oauth] = [app.get(WELL_KNOWN[0]).await, app.get(WELL_KNOWN[1]).await];
        assert_eq!(openid.body, oauth.body);
        assert_eq!(openid.header("content-type"), "application/json");
        let document = openid.json();
        assert_eq!(document["issuer"], ISSUER);
        for (name, value) in document.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(value.as_str().unwrap().starts_with(ISSUER), "{name}");
            }
        }
        insta::assert_json_snapshot!("discovery", document);
    }

    async fn a_known_entity_tag_is_answered_with_304(app: TestApp) {
        for uri in [WELL_KNOWN[0], "/oauth2/jwks.json"] {
            let first = app.get(uri).await;
            assert!(first.header("cache-control").contains("max-age="));
            let again = Request::get(uri).header(header::IF_NONE_MATCH, first.header("etag"));
            let again = app.send(again.body(Body::empty()).unwrap()).await;
            assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{uri}");
            let other = Request::get(uri).header(header::IF_NONE_MATCH, "\"other\"");
            assert_eq!(app.send(other.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
        }
    }

    /// The length of a compressed answer tells about a secret in it, so pages never are.
    async fn documents_are_compressed_and_pages_are_not(app: TestApp) {
        let paths = [(WELL_KNOWN[0], true), ("/oauth2/jwks.json", true), ("/", false)];
        for (uri, compressed) in paths {
            let request = Request::get(uri).header(header::ACCEPT_ENCODING, "gzip");
            let request = request.body(Body::empty()).unwrap();
            let answer = app.router.clone().oneshot(request).await.unwrap();
            let coding = answer.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(coding, compressed, "{uri}");
        }
    }

    async fn jwks_has_one_public_key_for_each_advertised_algorithm(app: TestApp) {
        let jwks = app.get("/oauth2/jwks.json").await.json();
        let keys = jwks["keys"].as_array().unwrap();
        let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
        let mut algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
        kids.sort_unstable();
        kids.dedup();
        algorithms.sort_unstable();
        assert_eq!(kids.len(), keys.len());
        assert_eq!(algorithms, ["ES256", "EdDSA", "PS256", "RS256"]);
        for key in keys {
            assert_eq!(key["use"], "sig");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private}");
            }
        }
    }

    async fn every_advertised_signature_algorithm_signs_id_tokens(app: TestApp) {
        let document = app.get(WELL_KNOWN[0]).await.json();
        app.make_secret_readable("web").await;
        for algorithm in strings(&document["id_token_signing_alg_values_supported"]) {
            app.change_client("web", |client| client.tokens.id_token_algorithm = algorithm.parse().unwrap()).await;
            let tokens = app.tokens("web", "openid").await;
            let header = tokens["id_token"].as_str().unwrap().split('.').next().unwrap().to_owned();
            let header = claims(&format!(".{header}."));
            assert_eq!(header["alg"], algorithm);
        }
    }

    async fn every_advertised_response_mode_answers_and_another_does_not(app: TestApp) {
        let document = app.get(WELL_KNOWN[0]).await.json();
        assert_eq!(strings(&document["response_modes_supported"]), ["query", "fragment", "form_post"]);
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let query = browser.authorize("web", &[("response_mode", "query")]).await;
        assert!(query.location().starts_with(&format!("{CALLBACK}?code=")));
        let fragment = browser.authorize("web", &[("response_mode", "fragment")]).await;
        assert!(fragment.location().starts_with(&format!("{CALLBACK}#code=")));
        let post = browser.authorize("web", &[("response_mode", "form_post")]).await;
        assert_eq!(post.status, StatusCode::OK);
        assert!(post.body.contains(&format!("action=\"{CALLBACK}\"")) && post.body.contains("name=\"code\""));
        let jwt = browser.authorize("web", &[("response_mode", "jwt")]).await;
        jwt.assert_redirected_error("invalid_request");
    }

    async fn every_advertised_grant_type_is_understood_and_another_is_not(app: TestApp) {
        let document = app.get(WELL_KNOWN[0]).await.json();
        let grants = strings(&document["grant_types_supported"]);
        assert_eq!(grants, ["authorization_code", "refresh_token", "client_credentials"]);
        for grant in grants {
            let answer = app.token("web", &[("grant_type", grant), ("code", "x"), ("redirect_uri", "x"), ("refresh_token", "x")]).await;
            assert_ne!(answer.json()["error"], "unsupported_grant_type", "{grant}");
        }
        for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
            let answer = app.token("web", &[("grant_type", grant), ("username", "alice"), ("password", "x")]).await;
            answer.assert_error(400, "unsupported_grant_type");
        }
    }

    async fn every_advertised_client_authentication_method_works(app: TestApp) {
        let document = app.get(WELL_KNOWN[0]).await.json();
        let methods = strings(&document["token_endpoint_auth_methods_supported"]);
        assert_eq!(methods, ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]);
        for client in ["web", "post", "spa"] {
            assert!(app.tokens(client, "openid").await["access_token"].is_string(), "{client}");
        }
        let wrong_method = [("grant_type", "client_credentials"), ("client_id", "web"), ("client_secret", SECRET)];
        app.post("/oauth2/token", &wrong_method).await.assert_error(401, "invalid_client");
    }

    async fn endpoints_without_a_query_answer_in_json_for_every_method(app: TestApp) {
        for uri in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            let answer = app.get(uri).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("allow"), "POST");
            let with_query = app.post(&format!("{uri}?{}", encode(&[("client_secret", SECRET)])), &[]).await;
            with_query.assert_error(400, "invalid_request");
        }
    }
}
