//! OpenID AuthZEN Authorization API 1.0: `/access/v1/evaluation`, `/access/v1/evaluations` and the
//! metadata document.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderName, request::Parts},
    response::Response,
};
use serde::Serialize;

use super::{
    check::authenticate,
    counted, json, ok,
    problem::{Kind, Problem},
};
use crate::{
    application::{
        limits::Endpoint,
        queries::check::{Asker, MAX_QUESTIONS, Question, Subject, check},
    },
    domain::{decision::Reason, id::UserId},
    protocol::authzen::{self, Answer, Evaluation, Evaluations, Tuple},
    web::{Web, context},
};

/// Bytes of a body at most.
const MAX_BODY: usize = 64 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Serialize)]
struct Answers {
    evaluations: Vec<Answer>,
}

/// GET: what is offered (§9.2).
pub(super) async fn metadata(State(web): State<Arc<Web>>) -> Response {
    ok(&authzen::metadata(&web.ports.settings.issuer))
}

/// POST: one evaluation (§6).
pub(super) async fn evaluation(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = one(&web, &parts, &body);
    let answer = counted(&web, &parts, Endpoint::Introspection, work).await;
    identified(&parts, answer)
}

async fn one(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let asker = authenticate(web, parts).await?;
    let tuple: Tuple = json::read(&parts.headers, body, MAX_BODY)?;
    let evaluation = tuple.complete(&Tuple::default()).map_err(missing)?;
    Ok(ok(&evaluate(web, &asker, &evaluation).await?))
}

/// POST: many evaluations (§7).
pub(super) async fn evaluations(
    State(web): State<Arc<Web>>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = many(&web, &parts, &body);
    let answer = counted(&web, &parts, Endpoint::Introspection, work).await;
    identified(&parts, answer)
}

async fn many(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let asker = authenticate(web, parts).await?;
    let request: Evaluations = json::read(&parts.headers, body, MAX_BODY)?;
    if request.evaluations.is_empty() {
        let evaluation = request.defaults.complete(&Tuple::default());
        let evaluation = evaluation.map_err(missing)?;
        return Ok(ok(&evaluate(web, &asker, &evaluation).await?));
    }
    if request.evaluations.len() > MAX_QUESTIONS {
        let detail = format!("there may be {MAX_QUESTIONS} evaluations at most");
        return Err(Problem::new(Kind::InvalidMember)
            .detail(detail)
            .at("/evaluations"));
    }
    let complete = |(at, tuple): (usize, &Tuple)| {
        tuple
            .complete(&request.defaults)
            .map_err(|name| missing(name).at(format!("/evaluations/{at}")))
    };
    let all: Result<Vec<Evaluation>, Problem> = request
        .evaluations
        .iter()
        .enumerate()
        .map(complete)
        .collect();
    let semantic = request.options.evaluations_semantic;
    let mut evaluations = Vec::new();
    for evaluation in all? {
        let answer = evaluate(web, &asker, &evaluation).await?;
        let is_last = semantic.stops(answer.is_allowed());
        evaluations.push(answer);
        if is_last {
            break;
        }
    }
    Ok(ok(&Answers { evaluations }))
}

async fn evaluate(web: &Web, asker: &Asker, evaluation: &Evaluation) -> Result<Answer, Problem> {
    let subject = &evaluation.subject;
    let subject = match subject.r#type.as_str() {
        "user" => Subject::User(UserId::new(subject.id.as_str())),
        "access_token" => Subject::Token(subject.id.clone()),
        _ => return Ok(Reason::UserUnknown.into()),
    };
    let Some(permission) = evaluation.permission() else {
        return Ok(Reason::NoSuchPermission.into());
    };
    let question = Question {
        permission: &permission,
        resource: evaluation.audience(),
    };
    let decisions = check(&web.ports, asker, &subject, &[question]).await?;
    let decision = decisions.into_iter().next();
    Ok(decision.map_or_else(|| Reason::NoPermission.into(), Answer::from))
}

/// A required member that is missing is a bad request (§10.1.1).
fn missing(name: &'static str) -> Problem {
    Problem::new(Kind::InvalidMember).detail(format!("missing member {name:?}"))
}

/// The caller's identifier of the request comes back as it was (§10.1.3).
fn identified(parts: &Parts, mut response: Response) -> Response {
    if let Ok(Some(_)) = context::single(&parts.headers, &REQUEST_ID)
        && let Some(id) = parts.headers.get(&REQUEST_ID)
    {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    response
}
