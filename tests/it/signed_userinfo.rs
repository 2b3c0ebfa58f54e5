//! OIDC Core §5.3.2 — userinfo as a signed JWT.

use countersign::domain::algorithm::SigningAlgorithm;

use super::support::app::{ISSUER, claims, on_both};

on_both! {
    async fn a_client_that_registered_for_it_gets_a_jwt_of_its_algorithm(app: TestApp) {
        for algorithm in SigningAlgorithm::USUAL {
            app.change_client("web", |client| client.userinfo_algorithm = Some((*algorithm).into())).await;
            let tokens = app.tokens("web", "openid email").await;
            let answer = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(answer.header("content-type"), "application/jwt");
            assert_eq!(answer.header("cache-control"), "no-store");
            let told = claims(&answer.body);
            assert_eq!((&told["iss"], &told["aud"]), (&ISSUER.into(), &"web".into()));
            assert_eq!(told["sub"], app.user.as_str());
            assert!(told["email"].is_string());
            let verified = app.ports().signer.verify("JWT", &answer.body).await;
            assert!(verified.is_ok(), "{algorithm}");
        }
        // Nobody takes it for an ID token: it has no exp.
        let tokens = app.tokens("web", "openid").await;
        let answer = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
        let hint = format!("/oauth2/logout?id_token_hint={}", answer.body);
        app.get(&hint).await.assert_page(400);
    }
}
