//! `/api/admin/outbox`: messages that are not delivered.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::request::Parts, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{MAX_BODY, call},
    page::{Listing, Query},
    views::MessageView,
};
use crate::{
    application::{
        commands::retry_outbox::{retry_all, retry_message},
        ports::OutboxFilter,
        queries::{administration, outbox::WaitingMessage},
        registrar::Registrar,
    },
    web::{
        Web,
        api::{json, ok},
    },
};

/// Which messages to try again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// One of them; all that were given up where absent.
    id: Option<String>,
}

/// How many messages are tried again.
#[derive(Serialize, ToSchema)]
pub(super) struct Retried {
    messages: u64,
}

/// Messages that are not delivered, oldest first
#[utoipa::path(get, path = "/api/admin/outbox", tag = "Operation",
    params(
        ("dead" = Option<bool>, Query, description = "Only what was given up"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, body = Listing<MessageView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let query = Query::read(&web, &parts, &["dead", "limit", "after"])?;
        let page = query.page()?;
        let filter = match query.parse::<bool>("dead")? {
            Some(true) => OutboxFilter::Dead,
            Some(false) | None => OutboxFilter::All,
        };
        let messages = administration::messages(&registrar, filter, &page).await?;
        let key = |message: &WaitingMessage| message.id.clone();
        Ok(ok(&Listing::of(
            (&query, &page),
            messages,
            key,
            MessageView::from,
        )))
    };
    call(&web, &parts, work).await
}

/// Let messages that were given up be tried again at once
#[utoipa::path(post, path = "/api/admin/outbox/retry", tag = "Operation",
    request_body = Retry,
    responses((status = 200, body = Retried)))]
pub(super) async fn retry(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let retry: Retry = json::read(&parts.headers, &body, MAX_BODY)?;
        let messages = match retry.id {
            Some(id) => {
                retry_message(&registrar, &id).await?;
                1
            }
            None => retry_all(&registrar).await?,
        };
        Ok(ok(&Retried { messages }))
    };
    call(&web, &parts, work).await
}
