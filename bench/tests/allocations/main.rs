//! How many allocations an endpoint makes, of the whole process, against `bench/budgets.toml`. Unlike
//! time this does not swing, so it fails where a change makes a request dearer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../../src/form.rs"]
mod form;
#[path = "../../src/pkce.rs"]
mod pkce;
mod provider;

use std::{collections::BTreeMap, fmt::Write as _};

use provider::Provider;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const BUDGETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.toml");
/// Set to anything, the budgets become what is measured.
const UPDATE: &str = "UPDATE_BUDGETS";
/// Requests before anything is counted: caches fill, statements are prepared.
const WARM: usize = 8;
/// Requests that are counted; the middle one is the figure, since a background task may fall into any.
const COUNTED: usize = 15;

/// What is counted: a request that is made ready outside the count.
const ENDPOINTS: [&str; 11] = [
    "discovery",
    "jwks",
    "client_credentials_jwt",
    "client_credentials_opaque",
    "authorize",
    "code",
    "refresh",
    "introspection_opaque",
    "introspection_jwt",
    "userinfo",
    "revocation",
];

async fn measure() -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Provider::start(folder.path()).await;
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut measured = BTreeMap::new();
    for endpoint in ENDPOINTS {
        let mut counts = Vec::new();
        for round in 0..WARM + COUNTED {
            let (request, status) = provider.request(endpoint).await;
            let before = dhat::HeapStats::get().total_blocks;
            let answer = provider.send(request).await;
            let after = dhat::HeapStats::get().total_blocks;
            assert_eq!(answer.status, status, "{endpoint}: {}", answer.body);
            provider.keep(endpoint, &answer);
            if round >= WARM {
                counts.push(after - before);
            }
        }
        counts.sort_unstable();
        measured.insert(endpoint.to_owned(), counts[counts.len() / 2]);
    }
    measured
}

#[test]
fn no_endpoint_allocates_more_than_its_budget() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let measured = runtime.block_on(measure());
    let mut file = "# Allocations of one request, whole process, by tests/allocations. A budget may only be\n\
                    # lowered: UPDATE_BUDGETS=1 cargo test -p bench --test allocations writes what is measured.\n\n"
        .to_owned();
    for endpoint in ENDPOINTS {
        writeln!(file, "{endpoint} = {}", measured[endpoint]).unwrap();
    }
    println!("{file}");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(BUDGETS, file).unwrap();
        return;
    }
    let budgets: BTreeMap<String, u64> =
        toml::from_str(&std::fs::read_to_string(BUDGETS).unwrap()).unwrap();
    for endpoint in ENDPOINTS {
        let (is, may) = (measured[endpoint], budgets[endpoint]);
        // 2 %, and one for what only sometimes falls into a request.
        assert!(
            is <= may + may / 50 + 1,
            "{endpoint} allocates {is} times, its budget is {may}. Find out why with \
             `cargo run -p bench --release -- profile`; if it has to be so, {UPDATE}=1 writes the \
             budgets anew, and the commit says why.\nmeasured:\n{file}"
        );
    }
}
