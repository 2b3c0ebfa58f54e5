//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07): a request that makes
//! something can be sent again by whoever does not know whether it arrived, and makes it once.
//!
//! The first answer is kept for a day, sealed, because it may hold a secret that is shown once. The same
//! key with another content is refused (422); while the first is at work, 409. A refusal is not kept: the
//! mended request may use the key again. If a node dies between the change and the note of it, a second
//! request finds the key free after a minute; names are unique all the same.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    application::{
        Failure,
        administration::Acting,
        ports::{
            Place,
            state::{Kind as Record, StateKey},
        },
        registrar::Registrar,
        state::{add_record, get_record, put_record},
    },
    domain::administration::Right,
    web::{
        Web, answer,
        api::problem::{Kind, Problem},
        context,
    },
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);
/// How long a request may be at work.
const AT_WORK: Duration = Duration::from_mins(1);
/// Bytes of a key at most.
const MOST_KEY: usize = 255;

#[derive(Serialize, Deserialize)]
struct Kept {
    /// SHA-256 of the content.
    content: String,
    /// What was answered, sealed; absent while it is at work.
    answer: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Does `work`, or gives the answer that it got before under the key of this request.
pub(super) async fn once(
    web: &Web,
    (parts, body): (&Parts, &Bytes),
    (registrar, right): (&Registrar, Right),
    work: impl Future<Output = Result<Response, Problem>>,
) -> Result<Response, Problem> {
    // An answer that was kept may hold a secret: who lost the right is not shown it again.
    registrar.may(right)?;
    let Some(key) = key(parts)? else {
        return work.await;
    };
    let (name, row) = name(registrar, parts, key);
    let state = &*web.ports.state;
    let content = URL_SAFE_NO_PAD.encode(Sha256::digest(body));
    let begun = Kept {
        content: content.clone(),
        answer: None,
    };
    let is_first = add_record(state, &name, &begun, AT_WORK).await;
    if !is_first.map_err(Failure::from)? {
        let kept: Option<Kept> = get_record(state, &name).await.map_err(Failure::from)?;
        return kept.map_or_else(|| Err(at_work()), |kept| replay(web, &row, &content, kept));
    }
    let done = work.await;
    match &done {
        Ok(response) if response.status().is_success() => {}
        Ok(_) | Err(_) => {
            state.delete(&name).await.map_err(Failure::from)?;
            return done;
        }
    }
    let (response, answer) = copy(done?).await?;
    let answer = serde_json::to_vec(&answer).map_err(Failure::from)?;
    let kept = Kept {
        content,
        answer: Some(web.ports.sealer.seal(&place(&row), &answer)),
    };
    let stored = put_record(state, &name, &kept, KEPT).await;
    if let Err(error) = stored {
        // It is done all the same.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the answer to an idempotent request could not be kept"
        );
    }
    Ok(response)
}

fn key(parts: &Parts) -> Result<Option<&str>, Problem> {
    let header = context::single(&parts.headers, &HEADER).map_err(|_| {
        Problem::new(Kind::InvalidRequest).detail("more than one Idempotency-Key header")
    })?;
    let Some(header) = header else {
        return Ok(None);
    };
    let is_plain = header.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(header).unwrap_or_default();
    if !is_plain || text.is_empty() || text.len() > MOST_KEY {
        let problem = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        return Err(Problem::new(Kind::InvalidRequest).detail(problem));
    }
    Ok(Some(text))
}

/// A key is its sender's own, at one address.
fn name(registrar: &Registrar, parts: &Parts, key: &str) -> (StateKey, String) {
    let who = match &registrar.acting {
        Acting::Operator => "operator".to_owned(),
        Acting::Administrator(who) => who.actor.to_string(),
    };
    let path = parts.uri.path();
    let name = StateKey::of_parts(
        Record::Idempotency,
        &[who.as_bytes(), path.as_bytes(), key.as_bytes()],
    );
    (name, URL_SAFE_NO_PAD.encode(name.digest()))
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "idempotency",
        column: "answer",
        row,
    }
}

fn at_work() -> Problem {
    Problem::new(Kind::Conflict)
        .detail("the first request with this Idempotency-Key is still at work")
        .retry_after(1)
}

fn replay(web: &Web, row: &str, content: &str, kept: Kept) -> Result<Response, Problem> {
    if kept.content != content {
        return Err(Problem::new(Kind::KeyReused));
    }
    let Some(sealed) = kept.answer else {
        return Err(at_work());
    };
    let broken = || Problem::new(Kind::ServerError);
    let opened = web.ports.sealer.open(&place(row), &sealed);
    let opened = opened.map_err(|_| broken())?;
    let answer: Answer = serde_json::from_slice(&opened).map_err(Failure::from)?;
    let status = StatusCode::from_u16(answer.status).map_err(|_| broken())?;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let mut response = answer::json(status, &body);
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| broken())?;
        let value = HeaderValue::try_from(value).map_err(|_| broken())?;
        response.headers_mut().insert(name, value);
    }
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// A response and what is kept of it.
async fn copy(response: Response) -> Result<(Response, Answer), Problem> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await;
    let bytes = bytes
        .map_err(|_| Problem::new(Kind::ServerError))?
        .to_bytes();
    let header = |name: HeaderName| {
        let value = parts.headers.get(&name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: [header::ETAG, header::LOCATION]
            .into_iter()
            .filter_map(header)
            .collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok((Response::from_parts(parts, Body::from(bytes)), answer))
}
