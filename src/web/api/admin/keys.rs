//! `/api/admin/keys`: the signing keys.

use std::sync::Arc;

use axum::{extract::State, http::request::Parts, response::Response};

use super::{
    call::{At, call},
    page::Listing,
    views::KeyView,
};
use crate::{
    application::{
        Failure,
        commands::{retire_key::retire_key, rotate_keys::rotate_keys},
        queries::administration,
        registrar::Registrar,
    },
    web::{Web, api::ok},
};

/// The signing keys with their phases
#[utoipa::path(get, path = "/api/admin/keys", tag = "Operation",
    responses((status = 200, body = Listing<KeyView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let keys = administration::keys(&registrar).await?;
        let now = registrar.clock.now();
        let items = keys.iter().map(|key| KeyView::new(key, now));
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}

/// Begin the rotation of every key now
///
/// The new keys are published at once and sign as soon as everybody can know them.
#[utoipa::path(post, path = "/api/admin/keys/rotate", tag = "Operation",
    responses((status = 200, body = Listing<KeyView>)))]
pub(super) async fn rotate(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let keys = rotate_keys(&web.ports, &registrar).await?;
        let now = registrar.clock.now();
        let items = keys.iter().map(|key| KeyView::new(key, now));
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}

/// Take a key out of use at once, as after a leak
///
/// Nothing that it signed is believed any more. Where no other key of its algorithm signs, the next one is
/// made. Answered with all keys there are afterwards.
#[utoipa::path(post, path = "/api/admin/keys/{kid}/retire", tag = "Operation",
    params(("kid" = String, Path, description = "The key, percent-encoded")),
    responses((status = 200, body = Listing<KeyView>)))]
pub(super) async fn retire(
    State(web): State<Arc<Web>>,
    At(kid): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        retire_key(&registrar, &kid).await?;
        web.ports.signer.reread().await.map_err(Failure::from)?;
        let keys = administration::keys(&registrar).await?;
        let now = registrar.clock.now();
        let items = keys.iter().map(|key| KeyView::new(key, now));
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}
