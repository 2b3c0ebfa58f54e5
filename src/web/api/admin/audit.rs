//! `/api/admin/audit` and `/api/admin/statistics`: what happened, and how often users log in.

use std::sync::Arc;

use axum::{extract::State, http::request::Parts, response::Response};
use serde::Serialize;
use time::{Date, Month};
use utoipa::ToSchema;

use super::{
    call::{At, call},
    page::{Listing, Query},
    views::EventView,
};
use crate::{
    application::{
        ports::Order,
        queries::{administration, audit::AuditFilter},
        registrar::Registrar,
    },
    domain::{
        id::{ClientId, UserId},
        time::{Day, Timestamp},
    },
    web::{
        Web,
        api::{
            ok,
            problem::{Kind, Problem},
        },
    },
};

/// Days of statistics at most.
const MOST_DAYS: i64 = 366;

/// The audit trail
#[utoipa::path(get, path = "/api/admin/audit", tag = "Operation",
    params(
        ("kind" = Option<String>, Query, description = "Of this kind: docs/events.md"),
        ("user_id" = Option<String>, Query, description = "About this user"),
        ("client_id" = Option<String>, Query, description = "About this application"),
        ("trace_id" = Option<String>, Query, description = "Of this request"),
        ("since" = Option<i64>, Query, description = "From this moment on, Unix seconds"),
        ("until" = Option<i64>, Query, description = "Before this moment, Unix seconds"),
        ("order" = Option<String>, Query, description = "`newest` (the default) or `oldest` first"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before. A page may be short although more follow: only one without `next` is the last"),
    ),
    responses((status = 200, body = Listing<EventView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let known = [
            "kind",
            "user_id",
            "client_id",
            "trace_id",
            "since",
            "until",
            "order",
            "limit",
            "after",
        ];
        let query = Query::read(&web, &parts, &known)?;
        let page = query.page()?;
        let moment = |name| Ok::<_, Problem>(query.parse::<i64>(name)?.map(Timestamp));
        let filter = AuditFilter {
            kinds: query.parse("kind")?.into_iter().collect(),
            user: query.get("user_id").map(UserId::new),
            client: query.get("client_id").map(ClientId::new),
            trace: query.get("trace_id").map(str::to_owned),
            since: moment("since")?,
            until: moment("until")?,
        };
        let order = match query.get("order") {
            None | Some("newest") => Order::NewestFirst,
            Some("oldest") => Order::OldestFirst,
            Some(_) => {
                let problem = "order is newest or oldest";
                return Err(Problem::new(Kind::InvalidRequest).detail(problem));
            }
        };
        let found = administration::trail(&registrar, &filter, order, &page).await?;
        Ok(ok(&Listing {
            items: found.events.into_iter().map(EventView::from).collect(),
            next: query.cursor(found.next),
        }))
    };
    call(&web, &parts, work).await
}

/// Logins of a day.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginsView {
    /// `YYYY-MM-DD`, in UTC.
    day: String,
    /// The application that waited for the login, where that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    succeeded: u64,
    failed: u64,
}

/// How often users logged in, day by day
#[utoipa::path(get, path = "/api/admin/statistics/logins", tag = "Operation",
    params(
        ("from" = Option<String>, Query, description = "`YYYY-MM-DD`; a month ago if absent"),
        ("to" = Option<String>, Query, description = "`YYYY-MM-DD`, included; today if absent"),
    ),
    responses((status = 200, body = Listing<LoginsView>)))]
pub(super) async fn logins(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let (first, last) = days(&web, &parts, registrar.clock.now())?;
        let counts = administration::logins(&registrar, first, last).await?;
        let view = counts.iter().map(|count| LoginsView {
            day: date(count.day),
            client_id: None,
            succeeded: count.succeeded,
            failed: count.failed,
        });
        Ok(ok(&Listing::whole(view.collect())))
    };
    call(&web, &parts, work).await
}

/// How often a user logged in, by day and application
#[utoipa::path(get, path = "/api/admin/users/{id}/logins", tag = "Users",
    params(
        ("id" = String, Path),
        ("from" = Option<String>, Query, description = "`YYYY-MM-DD`; a month ago if absent"),
        ("to" = Option<String>, Query, description = "`YYYY-MM-DD`, included; today if absent"),
    ),
    responses((status = 200, body = Listing<LoginsView>)))]
pub(super) async fn logins_of(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let (first, last) = days(&web, &parts, registrar.clock.now())?;
        let id = UserId::new(id);
        let counts = administration::logins_of(&registrar, &id, first, last).await?;
        let view = counts.into_iter().map(|count| LoginsView {
            day: date(count.day),
            client_id: count.client.map(|client| client.to_string()),
            succeeded: count.succeeded,
            failed: count.failed,
        });
        Ok(ok(&Listing::whole(view.collect())))
    };
    call(&web, &parts, work).await
}

/// The days that are asked for.
fn days(web: &Web, parts: &Parts, now: Timestamp) -> Result<(Day, Day), Problem> {
    let query = Query::read(web, parts, &["from", "to"])?;
    let day = |name| query.get(name).map(parse_day).transpose();
    let last = day("to")?.unwrap_or_else(|| now.day());
    let first = day("from")?.unwrap_or(Day(last.0.saturating_sub(30)));
    if first > last || last.0.saturating_sub(first.0) > MOST_DAYS {
        let problem = format!("from comes before to, at most {MOST_DAYS} days");
        return Err(Problem::new(Kind::InvalidRequest).detail(problem));
    }
    Ok((first, last))
}

fn parse_day(text: &str) -> Result<Day, Problem> {
    let read = || {
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
    };
    let date = read()
        .ok_or_else(|| Problem::new(Kind::InvalidRequest).detail("a day is written YYYY-MM-DD"))?;
    let midnight = date.midnight().assume_utc().unix_timestamp();
    Ok(Timestamp(midnight).day())
}

fn date(day: Day) -> String {
    let midnight = day.0.saturating_mul(86_400);
    time::OffsetDateTime::from_unix_timestamp(midnight).map_or_else(
        |_| String::new(),
        |at| {
            let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
            format!("{year:04}-{month:02}-{day:02}")
        },
    )
}
