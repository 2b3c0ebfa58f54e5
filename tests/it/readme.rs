//! The README as a script: its shell blocks run as they are written, in an empty directory.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

/// A block that is meant to be run begins below such a comment, which readers do not see. Its name
/// says which test runs it.
const MARK: &str = "<!-- run:";

/// The shell blocks of the README that carry this name, in their order.
fn blocks(name: &str) -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let marked = readme.split(MARK).skip(1);
    let blocks = marked.filter_map(|rest| {
        let (names, rest) = rest.split_once("-->")?;
        let block = rest.trim_start().strip_prefix("```sh\n")?;
        let (block, _) = block.split_once("```")?;
        (names.trim() == name).then(|| block.to_owned())
    });
    let text = blocks.collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "the README has no block {name:?}");
    text
}

/// Runs a script in a directory, with the built binary as `countersign`.
fn run(directory: &Path, script: &str) -> String {
    let tools = directory.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    symlink(env!("CARGO_BIN_EXE_countersign"), tools.join("countersign")).ok();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", tools.display()))
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .env_remove("COUNTERSIGN_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the README cannot say for a test: free ports, a password without a keyboard, and an end. In the
/// background `timeout` would signal its whole group, so the server twice, and a second signal ends it
/// at once.
const SERVED: &str = r#"
export COUNTERSIGN__SERVER__PORT=0 COUNTERSIGN__MANAGEMENT__PORT=0
timeout --foreground 60 countersign serve --output json > ready.json 2> log & server=$!
for _ in $(seq 300); do grep -q '"ready":true' ready.json && break; sleep 0.1; done
grep '"ready":true' ready.json || { cat log >&2; exit 1; }
countersign healthcheck --address "$(sed -E 's/.*"management":"([^"]*)".*/\1/' ready.json)"
kill $server; wait $server
"#;

#[test]
fn the_steps_to_production_run_as_written_and_serve() {
    let folder = tempfile::tempdir().unwrap();
    let steps = blocks("production");
    assert!(steps.contains("countersign config init") && steps.contains("countersign serve"));
    // The password is asked for on a terminal; here it comes from a pipe.
    let steps = steps.replace(
        "countersign user add alice",
        "printf 'correct horse battery staple' | countersign user add alice --password-stdin",
    );
    let served = steps.replace("countersign serve\n", SERVED);
    assert_ne!(
        served, steps,
        "`countersign serve` stands on a line of its own"
    );
    let said = run(folder.path(), &served);
    assert!(said.contains("ready"), "{said}");
    let listed = run(
        folder.path(),
        "countersign user list; countersign client list",
    );
    assert!(listed.contains("alice@example.com"), "{listed}");
    assert!(listed.contains("My app"), "{listed}");
}
