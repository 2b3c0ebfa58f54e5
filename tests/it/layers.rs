//! The rule between layers: `domain ← protocol ← application ← {infrastructure, web}`, and the
//! crates that only one room may use. Read from the sources, so that no `use` slips through.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A layer, and what no file below it may name.
const RULES: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "crate::protocol",
            "crate::application",
            "crate::infrastructure",
            "crate::web",
            "crate::app",
            "crate::cli",
            "crate::config",
            "tokio",
            "axum",
            "sea_orm",
            "redis",
            "async fn",
        ],
    ),
    (
        "protocol",
        &[
            "crate::application",
            "crate::infrastructure",
            "crate::web",
            "crate::app",
            "crate::cli",
            "crate::config",
            "tokio",
            "axum",
            "sea_orm",
            "redis",
            "async fn",
        ],
    ),
    (
        "application",
        &[
            "crate::infrastructure",
            "crate::web",
            "crate::app::",
            "crate::cli",
            "crate::config",
            "axum",
            "sea_orm",
            "redis::",
        ],
    ),
    (
        "infrastructure",
        &["crate::web", "crate::app::", "crate::cli", "axum"],
    ),
    (
        "web",
        &[
            "crate::infrastructure",
            "crate::app::",
            "crate::cli",
            "sea_orm",
            "redis::",
        ],
    ),
];

/// A crate, and the only places that may name it.
const ROOMS: &[(&str, &[&str])] = &[
    ("josekit", &["infrastructure/jose"]),
    ("rsa::", &["infrastructure/jose"]),
    ("curve25519_dalek", &["infrastructure/jose"]),
    ("num_bigint", &["infrastructure/jose"]),
    ("sea_orm", &["infrastructure/sql"]),
    ("fjall", &["infrastructure/state"]),
    ("lettre", &["infrastructure/mail"]),
    (
        "oxide_auth",
        &["protocol/code_grant.rs", "protocol/pkce.rs"],
    ),
    ("argon2::", &["infrastructure/password"]),
];

fn sources(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code of a file: no comments, no tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn no_layer_names_one_further_out() {
    let mut broken = Vec::new();
    for (layer, forbidden) in RULES {
        let mut files = Vec::new();
        sources(&root().join(layer), &mut files);
        assert!(!files.is_empty(), "{layer} has no files");
        for file in files {
            let code = code(&file);
            broken.extend(
                forbidden
                    .iter()
                    .filter(|name| code.contains(**name))
                    .map(|name| (file.clone(), *name)),
            );
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_crate_stays_in_its_room() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let mut broken = Vec::new();
    for file in files {
        let below = file
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let code = code(&file);
        for (name, rooms) in ROOMS {
            let names_it = code.lines().any(|line| {
                line.match_indices(name).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
                })
            });
            if names_it && !rooms.iter().any(|room| below.starts_with(room)) {
                broken.push((below.clone(), *name));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_protocol_file_begins_with_its_specification() {
    let mut files = Vec::new();
    sources(&root().join("protocol"), &mut files);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let first = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        let names_one = ["RFC", "OIDC", "OAuth", "OpenID"]
            .iter()
            .any(|word| first.contains(word));
        let is_ours = ["mod.rs", "capability.rs", "gate.rs"].contains(&name.as_str());
        assert!(names_one || is_ours, "{name}: {first}");
    }
}
