//! The life of the provider's keys.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::ports::TokenSigner as _,
    domain::{algorithm::SigningAlgorithm, time::Timestamp},
    infrastructure::{
        jose::{KeyError, KeyRing},
        kek::{Kek, KekError},
        random::SystemRng,
    },
    protocol::{
        access_token, id_token,
        jwks::{Phase, phase},
    },
};
use serde_json::{Value, json};

use super::{NOW, Site, jwks, kids};
use crate::support::sql::{TestDatabase, test_databases};

const HOUR: Duration = Duration::from_hours(1);

fn sign(node: &KeyRing) -> String {
    let claims = json!({ "sub": "u", "exp": NOW.0 + 600 }).to_string();
    let token = node.sign(
        access_token::TYP,
        SigningAlgorithm::Es256,
        claims.as_bytes(),
    );
    token.unwrap()
}

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn verifies(node: &KeyRing, token: &str) -> bool {
    node.verify(access_token::TYP, token).await.is_ok()
}

#[test]
fn c177_a_key_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kek");
    Kek::load_or_create(folder.path(), &SystemRng).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        for refused in [
            Kek::load(&file),
            Kek::load_or_create(folder.path(), &SystemRng),
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(error, KekError::Exposed(_)), "{mode:o}");
            let advice = format!("chmod 600 {}", file.display());
            assert!(error.to_string().contains(&advice), "{error}");
        }
    }
    for mode in [0o400, 0o600] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert!(Kek::load(&file).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_algorithm_signs_at_once_and_its_key_is_published() {
    let node = Site::new().await.node().await;
    for algorithm in SigningAlgorithm::USUAL {
        let claims = json!({ "sub": "u", "n": algorithm.as_str() });
        let token = node.sign(id_token::TYP, *algorithm, claims.to_string().as_bytes());
        let verified = node.verify(id_token::TYP, &token.unwrap()).await.unwrap();
        assert_eq!(Value::Object(verified), claims);
        assert_eq!(kids(&node, *algorithm).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_set_holds_nothing_private() {
    let node = Site::new().await.node().await;
    for key in jwks(&node)["keys"].as_array().unwrap() {
        let mut names: Vec<_> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            _ => &["alg", "crv", "kid", "kty", "use", "x"],
        };
        assert_eq!(names, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c182_what_a_rotated_key_signed_verifies_till_it_expires() {
    let site = Site::new().await;
    let node = site.node().await;
    let before = node.jwks();
    let old = sign(&node);
    node.rotate_now().await.unwrap();
    let published = node.jwks();
    assert_ne!(before.etag, published.etag);
    assert_eq!(kids(&node, SigningAlgorithm::Es256).len(), 2);
    assert_eq!(kid_of(&sign(&node)), kid_of(&old), "published before use");
    site.clock.advance(HOUR);
    node.refresh().await.unwrap();
    assert_eq!(node.jwks().etag, published.etag, "still both are published");
    assert_ne!(kid_of(&sign(&node)), kid_of(&old));
    assert!(verifies(&node, &old).await);
    site.clock.advance(24 * HOUR);
    assert!(!verifies(&node, &old).await);
    node.refresh().await.unwrap();
    assert!(!kids(&node, SigningAlgorithm::Es256).contains(&kid_of(&old)));
    assert!(!verifies(&node, &old).await);
    let stored = async || site.store.reader().signing_keys().await.unwrap().len();
    assert_eq!(stored().await, 8, "kept for a clock that is set back");
    site.clock.advance(24 * HOUR);
    node.refresh().await.unwrap();
    assert_eq!(stored().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_by_themselves() {
    let site = Site::new().await;
    let node = site.node().await;
    let mut signers = HashSet::from([kid_of(&sign(&node))]);
    for _ in 0..3 {
        site.clock.advance(89 * 24 * HOUR);
        for _ in 0..26 {
            site.clock.advance(HOUR);
            node.refresh().await.unwrap();
            let kid = kid_of(&sign(&node));
            assert!(kids(&node, SigningAlgorithm::Es256).contains(&kid));
            signers.insert(kid);
        }
    }
    assert_eq!(signers.len(), 4, "the first one and three successors");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c186_nodes_that_start_at_once_end_with_one_active_key() {
    for database in test_databases().await {
        let site = Arc::new(Site::on(database).await);
        let nodes: Vec<_> = (0..6)
            .map(|_| {
                let site = Arc::clone(&site);
                tokio::spawn(async move { site.node().await })
            })
            .collect();
        let mut sets = HashSet::new();
        for node in nodes {
            let node = node.await.unwrap();
            node.refresh().await.unwrap();
            sets.insert(node.jwks().etag.clone());
        }
        assert_eq!(sets.len(), 1);
        let keys = site.store.reader().signing_keys().await.unwrap();
        assert_eq!(keys.len(), SigningAlgorithm::USUAL.len());
        assert!(keys.iter().all(|key| phase(key, NOW) == Phase::Active));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c186_nodes_that_rotate_at_once_make_one_successor() {
    for database in test_databases().await {
        let site = Site::on(database).await;
        let (one, two) = (site.node().await, site.node().await);
        let (first, second) = tokio::join!(one.rotate_now(), two.rotate_now());
        first.unwrap();
        second.unwrap();
        let keys = site.store.reader().signing_keys().await.unwrap();
        assert_eq!(keys.len(), 2 * SigningAlgorithm::USUAL.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c068_an_unknown_key_is_looked_up_but_seldom() {
    let site = Site::new().await;
    let (maker, node) = (site.node().await, site.node().await);
    site.clock.advance(Duration::from_secs(4));
    maker.rotate_now().await.unwrap();
    site.clock.advance(HOUR);
    let mut forged = sign(&maker);
    forged.replace_range(
        ..forged.find('.').unwrap(),
        &URL_SAFE_NO_PAD.encode(
            json!({ "alg": "ES256", "typ": access_token::TYP, "kid": "../../etc/passwd" })
                .to_string(),
        ),
    );
    assert!(!verifies(&node, &forged).await, "this one made it read");
    assert!(
        verifies(&node, &sign(&maker)).await,
        "so it knows the newest key"
    );

    site.clock.advance(24 * HOUR);
    assert!(!verifies(&node, &forged).await);
    maker.rotate_now().await.unwrap();
    let unseen = maker.keys().into_iter().find(|key| {
        key.algorithm == SigningAlgorithm::Es256.into()
            && phase(key, site.clock_now()) == Phase::Published
    });
    assert!(unseen.is_some());
    assert!(!verifies(&node, &forged).await, "too soon to read again");
    let known = kids(&node, SigningAlgorithm::Es256);
    assert!(!known.contains(&unseen.as_ref().unwrap().kid));
    site.clock.advance(Duration::from_secs(5));
    assert!(!verifies(&node, &forged).await);
    assert!(kids(&node, SigningAlgorithm::Es256).contains(&unseen.unwrap().kid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c068_a_clock_that_was_set_back_does_not_hide_a_peers_new_key() {
    let site = Site::new().await;
    let (maker, node) = (site.node().await, site.node().await);
    site.clock.set(Timestamp(NOW.0 - 3600));
    maker.rotate_now().await.unwrap();
    site.clock.set(NOW);
    maker.rotate_now().await.unwrap();
    site.clock.advance(2 * HOUR);
    maker.refresh().await.unwrap();
    let token = sign(&maker);
    site.clock.set(Timestamp(NOW.0 - 60));
    assert!(
        verifies(&node, &token).await,
        "its keys are from a later hour"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_sealed_elsewhere_stop_the_start() {
    let mut site = Site::new().await;
    site.node().await;
    site.keys = tempfile::tempdir().unwrap();
    let refused = site.node_with(Arc::clone(&site.store)).await;
    assert!(matches!(refused, Err(KeyError::Sealed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_database_signs_on() {
    let site = Site::on(TestDatabase::sqlite()).await;
    let store = Arc::new(site.database.connect().await);
    let node = site.node_with(store.clone()).await.unwrap();
    store.close().await.unwrap();
    assert!(node.refresh().await.is_err());
    assert!(verifies(&node, &sign(&node)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_key_keeps_its_name_and_takes_over_after_an_hour() {
    let site = Site::new().await;
    let node = site.node().await;
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "from-before",
        // RFC 7515 appendix A.3.1.
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    assert_eq!(node.import(&jwk.to_string()).await.unwrap(), "from-before");
    assert_eq!(node.import(&jwk.to_string()).await.unwrap(), "from-before");
    site.clock.advance(HOUR);
    let token = sign(&node);
    assert_eq!(kid_of(&token), "from-before");
    assert!(verifies(&node, &token).await);
    for bad in ["", "{}", r#"{"kty":"oct","k":"AAAA"}"#] {
        assert!(matches!(node.import(bad).await, Err(KeyError::Unusable)));
    }
    let mut evil = jwk;
    evil["kid"] = json!("a\nb");
    assert!(matches!(
        node.import(&evil.to_string()).await,
        Err(KeyError::Name)
    ));
}
