//! The administration API described as `OpenAPI` 3.1, made of the handlers themselves.

use utoipa::{
    OpenApi,
    openapi::{
        Content, Ref, RefOr, Required, Response, ResponseBuilder, Responses,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    audit, clients, groups, keys, outbox, resources, roles, user_access, user_sessions, users,
};
use crate::domain::administration::Right;

#[derive(OpenApi)]
#[openapi(
    info(title = "Countersign administration API", license(name = "Apache-2.0")),
    paths(
        users::list,
        users::create,
        users::read,
        users::change,
        users::remove,
        users::activate,
        users::deactivate,
        users::unlock,
        users::set_password,
        users::reset_password,
        users::invite,
        audit::logins_of,
        user_access::read,
        user_access::give_role,
        user_access::take_role,
        user_access::join,
        user_access::leave,
        user_access::set_claim,
        user_access::remove_claim,
        user_sessions::list,
        user_sessions::end_all,
        user_sessions::end_one,
        user_sessions::consents,
        user_sessions::withdraw,
        user_sessions::grants,
        user_sessions::revoke,
        roles::permissions,
        roles::list,
        roles::create,
        roles::read,
        roles::users,
        roles::change,
        roles::remove,
        groups::list,
        groups::create,
        groups::read,
        groups::users,
        groups::change,
        groups::remove,
        clients::list,
        clients::create,
        clients::read,
        clients::remove,
        clients::rotate,
        clients::enable,
        clients::disable,
        clients::change,
        resources::list,
        resources::create,
        resources::read,
        resources::change,
        resources::delete,
        keys::list,
        keys::rotate,
        keys::retire,
        outbox::list,
        outbox::retry,
        audit::list,
        audit::logins,
    ),
    components(schemas(ProblemView))
)]
struct Api;

/// What went wrong (RFC 9457).
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes what problem.rs writes")]
struct ProblemView {
    /// Names the kind for programs: `urn:countersign:problem:…`.
    r#type: String,
    /// Says it to people.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request.
    detail: Option<String>,
    /// A JSON Pointer (RFC 6901) to the member that is to blame.
    pointer: Option<String>,
    /// What log and audit trail know the request by.
    trace_id: String,
}

const BEARER: &str = "access_token";

/// The description.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Api::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.description = Some(description());
    let mut bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    bearer.description = Some("An access token for the audience <issuer>/api/admin".to_owned());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let none: [&str; 0] = [];
    document.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            refuse(&mut operation.responses, operation.request_body.is_some());
            if let Some(body) = &mut operation.request_body {
                body.required = Some(Required::True);
            }
        }
    }
    document
}

fn description() -> String {
    let rights: Vec<String> = Right::ALL
        .iter()
        .map(|right| format!("- `{}`: {}", right.as_str(), right.meaning().trim()))
        .collect();
    format!(
        "Callers bring an access token for the audience `<issuer>/api/admin`. Each use case asks for a \
         permission; nobody gives what they do not hold, and nobody touches who holds more. A change says \
         which version it changes: send the `ETag` of what was read as `If-Match`. What makes something \
         can be sent again under one `Idempotency-Key`.\n\nPermissions, which are also scope values:\n\n{}",
        rights.join("\n")
    )
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        patch,
        ..
    } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Every operation refuses in one form; these are the statuses.
fn refuse(responses: &mut Responses, has_body: bool) {
    let mut refusals = vec![
        ("400", "The request cannot be accepted"),
        ("401", "No access token, or none for this API"),
        ("403", "The caller may not do this"),
        ("404", "There is nothing here"),
        ("409", "It exists already, or cannot be done now"),
        ("412", "It has changed meanwhile"),
        ("428", "The change must say which version it changes"),
        ("429", "There were too many requests"),
        ("503", "Something that the server depends on is away"),
    ];
    if has_body {
        refusals.extend([
            ("413", "The body is too large"),
            ("415", "The body is not JSON"),
            ("422", "The Idempotency-Key belongs to another request"),
        ]);
    }
    for (status, what) in refusals {
        let known = &mut responses.responses;
        known
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(problem(what)));
    }
}

fn problem(what: &str) -> Response {
    let schema = Ref::from_schema_name("ProblemView");
    ResponseBuilder::new()
        .description(what)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}
