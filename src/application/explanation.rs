//! Refusals in the log: under the trace id of the request the operator finds which check failed, the
//! client, what was received and what is registered. Every line has the same fields.

use super::Failure;
use crate::{
    domain::id::ClientId,
    protocol::{authorization::Unanswerable, error::Cause},
};

/// Characters of a client identifier that the log shows: registered ones have no more.
const MAX_CLIENT: usize = 128;

/// Says why a use case came to no answer for this client.
pub fn of(client: Option<&ClientId>, failure: &Failure) {
    let client = client.map(shown);
    match failure {
        Failure::Refused(error) => {
            let cause = error.cause.as_deref();
            tracing::info!(
                %error,
                check = error.check(),
                client,
                received = received(cause),
                registered = registered(cause),
                "request refused"
            );
        }
        Failure::Limited(_) => {
            tracing::info!(error = %failure.as_oauth(), client, "request refused");
        }
        Failure::Unavailable(..) | Failure::Broken(..) => tracing::error!(
            client,
            error = failure as &dyn std::error::Error,
            "request failed"
        ),
    }
}

/// Says why an authorization request ends on a page.
pub fn of_unanswerable(client: Option<&ClientId>, reason: &Unanswerable) {
    let cause = reason.cause();
    tracing::info!(
        check = %reason,
        client = client.map(shown),
        received = received(cause),
        registered = registered(cause),
        "authorization request cannot be answered"
    );
}

fn shown(client: &ClientId) -> &str {
    let text = client.as_str();
    let end = text.char_indices().nth(MAX_CLIENT);
    end.map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

fn received(cause: Option<&Cause>) -> Option<&str> {
    cause.and_then(|cause| cause.received.as_deref())
}

fn registered(cause: Option<&Cause>) -> Option<&str> {
    cause.and_then(|cause| cause.registered.as_deref())
}
