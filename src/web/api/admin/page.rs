//! Pages of a listing: `limit` and `after` in the query, `next` in the answer.
//!
//! Where a page begins is sealed, for this listing with these filters alone: nobody can make one up
//! (security.md 170).

use std::{collections::BTreeMap, sync::Arc};

use axum::http::request::Parts;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::{
    application::ports::{Page, Place, Sealer},
    web::{
        Web,
        api::problem::{Kind, Problem},
    },
};

/// Items of a page where nothing is said.
const USUAL: u64 = 50;
/// Items of a page at most.
pub(super) const MOST: u64 = 500;
/// Bytes of a value in the query at most.
const MOST_VALUE: usize = 512;

/// The query of a request: every parameter known, and given once.
pub(super) struct Query {
    values: BTreeMap<String, String>,
    sealer: Arc<dyn Sealer>,
    path: String,
}

impl Query {
    /// Reads the query of a request to an address that knows these parameters.
    pub(super) fn read(web: &Web, parts: &Parts, known: &[&str]) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        let encoded = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(encoded.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(refused(format!("the parameters here are: {known}")));
            }
            if value.len() > MOST_VALUE || value.contains('\0') {
                return Err(refused(format!("the value of {name} cannot be accepted")));
            }
            let name = name.into_owned();
            if values.insert(name.clone(), value.into_owned()).is_some() {
                return Err(refused(format!("{name} comes twice")));
            }
        }
        Ok(Self {
            values,
            sealer: web.ports.sealer.clone(),
            path: parts.uri.path().to_owned(),
        })
    }

    /// A parameter, unless it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// A parameter in a form of its own.
    pub(super) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.values.get(name).map(|value| value.parse());
        let value = value.transpose();
        value.map_err(|_| refused(format!("the value of {name} cannot be accepted")))
    }

    /// The page that is asked for.
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let limit = self.parse::<u64>("limit")?.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(refused(format!("limit must be 1 to {MOST}")));
        }
        let after = self.get("after").map(|cursor| self.open(cursor));
        Ok(Page {
            after: after.transpose()?,
            limit,
        })
    }

    /// What the next page is asked for with, if it begins after this key.
    pub(super) fn cursor(&self, key: Option<String>) -> Option<String> {
        let filter = self.filter();
        let sealed = self.sealer.seal(&self.place(&filter), key?.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn open(&self, cursor: &str) -> Result<String, Problem> {
        let forged = || refused("after is no next of a page of this listing".to_owned());
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| forged())?;
        let filter = self.filter();
        let opened = self.sealer.open(&self.place(&filter), &sealed);
        let opened = opened.map_err(|_| forged())?;
        String::from_utf8(opened.to_vec()).map_err(|_| forged())
    }

    /// What is listed: the parameters besides those of the page.
    fn filter(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.values {
            if name != "after" && name != "limit" {
                form.append_pair(name, value);
            }
        }
        form.finish()
    }

    fn place<'a>(&'a self, filter: &'a str) -> Place<'a> {
        Place {
            table: "page",
            column: &self.path,
            row: filter,
        }
    }
}

fn refused(detail: String) -> Problem {
    Problem::new(Kind::InvalidRequest).detail(detail)
}

/// A page of a listing.
#[derive(Serialize, ToSchema)]
pub(super) struct Listing<T> {
    /// The items, in a fixed order.
    pub(super) items: Vec<T>,
    /// Send it as `after` for the next page; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl<T> Listing<T> {
    /// All there is.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// A page of a listing in the order of `key`.
    pub(super) fn of<R>(
        (query, page): (&Query, &Page),
        rows: Vec<R>,
        key: impl Fn(&R) -> String,
        view: impl FnMut(R) -> T,
    ) -> Self {
        let is_full = rows.len() as u64 >= page.limit;
        let next = rows.last().filter(|_| is_full).map(key);
        Self {
            items: rows.into_iter().map(view).collect(),
            next: query.cursor(next),
        }
    }
}
