//! `[oauth]`.

use super::reader::Reader;
use crate::domain::response_type::ResponseType;

/// What of the protocol is offered beyond what always is.
#[derive(Clone, Debug)]
pub struct OauthConfig {
    /// `response_types_supported`
    pub response_types: Vec<ResponseType>,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
}

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader) -> Option<OauthConfig> {
    let response_types = r.list("oauth.response_types", |text| {
        text.parse()
            .map_err(|_| "write types such as \"code\" or \"code id_token\"".to_owned())
    });
    let registration = r.with("oauth.registration", |text| match text {
        "closed" => Ok(false),
        "open" => Ok(true),
        _ => Err("choose closed or open".to_owned()),
    });
    let (response_types, registration) = (response_types?, registration?);
    if response_types.is_empty() {
        let fix = "name at least \"code\"";
        return r.problem("oauth.response_types", "is empty", fix);
    }
    Some(OauthConfig {
        response_types,
        registration,
    })
}
