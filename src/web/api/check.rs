//! `POST /api/authorize/check`: a resource server asks whether somebody may do something.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::header, http::request::Parts, response::Response};
use serde::{Deserialize, Serialize};

use super::{
    bearer_token, counted, json, ok,
    problem::{Kind, Problem},
};
use crate::{
    application::{
        limits::Endpoint,
        queries::check::{Asker, Caller, MAX_QUESTIONS, Question, Subject, asker, check},
    },
    domain::{decision::Decision, id::UserId},
    protocol::{client_auth::Credentials, params::Params},
    web::{Web, context},
};

/// Bytes of a body at most.
const MAX_BODY: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckRequest {
    subject: SubjectMember,
    permission: Option<String>,
    resource: Option<String>,
    checks: Option<Vec<CheckMember>>,
}

/// Whom it is about: exactly one of the two.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectMember {
    User(String),
    AccessToken(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckMember {
    permission: String,
    resource: Option<String>,
}

#[derive(Serialize)]
struct Results {
    results: Vec<Decision>,
}

/// POST: one question or many about one subject.
pub(super) async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = answer(&web, &parts, &body);
    counted(&web, &parts, Endpoint::Introspection, work).await
}

async fn answer(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let asker = authenticate(web, parts).await?;
    let request: CheckRequest = json::read(&parts.headers, body, MAX_BODY)?;
    let subject = match request.subject {
        SubjectMember::User(id) => Subject::User(UserId::new(id)),
        SubjectMember::AccessToken(token) => Subject::Token(token),
    };
    match (&request.permission, &request.checks) {
        (Some(permission), None) => {
            let question = Question {
                permission,
                resource: request.resource.as_deref(),
            };
            let decisions = check(&web.ports, &asker, &subject, &[question]).await?;
            let decision = decisions.into_iter().next();
            decision
                .map(|decision| ok(&decision))
                .ok_or_else(|| Problem::new(Kind::ServerError))
        }
        (None, Some(checks)) if request.resource.is_none() => {
            if checks.is_empty() || checks.len() > MAX_QUESTIONS {
                let detail = format!("there must be 1 to {MAX_QUESTIONS} checks");
                return Err(Problem::new(Kind::InvalidMember)
                    .detail(detail)
                    .at("/checks"));
            }
            let questions: Vec<Question<'_>> = checks
                .iter()
                .map(|check| Question {
                    permission: &check.permission,
                    resource: check.resource.as_deref(),
                })
                .collect();
            let results = check(&web.ports, &asker, &subject, &questions).await?;
            Ok(ok(&Results { results }))
        }
        _ => Err(Problem::new(Kind::InvalidMember)
            .detail("there must be either permission, with or without resource, or checks")),
    }
}

/// Who asks: a client by HTTP Basic, or whoever has an access token.
pub(super) async fn authenticate(web: &Web, parts: &Parts) -> Result<Asker, Problem> {
    let origin = context::origin(parts);
    let header = context::single(&parts.headers, &header::AUTHORIZATION)
        .ok()
        .flatten();
    let is_basic = header.is_some_and(|header| {
        header
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
    });
    if is_basic {
        let credentials = Credentials::parse(header, &Params::default());
        let credentials = credentials.map_err(|error| Problem::of(&error))?;
        return Ok(asker(&web.ports, Caller::Client(&credentials), &origin).await?);
    }
    let token = bearer_token(parts)?;
    Ok(asker(&web.ports, Caller::Token(token), &origin).await?)
}
