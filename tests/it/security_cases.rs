//! docs/security-cases.md lists every attack that we know by number. It cannot go stale: each test with a
//! number in its name stands there, each name that stands there is a test, and whatever has no test says
//! why.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Set to anything, the column of tests becomes what is in the tree.
const UPDATE: &str = "UPDATE_SECURITY_CASES";
/// The cases that there are.
const CASES: std::ops::RangeInclusive<u16> = 1..=189;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests with a number: functions, and the rows of a table of races.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for directory in ["src", "tests/it"] {
        sources(&root().join(directory), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let line = line.trim_start();
            let name = match line.split_once("fn ") {
                Some((_, name)) => name,
                None if line.contains(": End::") => line,
                None => continue,
            };
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = name.split(|c| !is_part(c)).next().unwrap_or_default();
            if !numbers(name).is_empty() {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// The cases that a name says it shows: `c019_to_c021_…` three, `c022_and_c029_…` two.
fn numbers(name: &str) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let (mut last, mut is_range) = (None, false);
    for word in name.split('_') {
        let digits = word.strip_prefix('c').filter(|digits| digits.len() == 3);
        if let Some(number) = digits.and_then(|digits| digits.parse::<u16>().ok()) {
            let first = last.filter(|_| is_range).unwrap_or(number);
            found.extend(first..=number);
            last = Some(number);
            is_range = false;
        } else if last.is_none() {
            break;
        } else {
            is_range = word == "to";
            if !is_range && word != "and" {
                break;
            }
        }
    }
    found
}

fn by_case() -> BTreeMap<u16, Vec<String>> {
    let mut cases: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for name in tests() {
        for number in numbers(&name) {
            cases.entry(number).or_default().push(name.clone());
        }
    }
    cases
}

/// A row of the table: number, attack, tests, and why there is none.
fn row(line: &str) -> Option<(u16, [&str; 3])> {
    let mut columns = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = columns.next()?.parse().ok()?;
    let [attack, tests, note] = [columns.next()?, columns.next()?, columns.next()?];
    Some((number, [attack, tests, note]))
}

#[test]
fn every_numbered_case_has_its_tests_or_says_why_it_has_none() {
    let path = root().join("docs/security-cases.md");
    let text = fs::read_to_string(&path).unwrap();
    let cases = by_case();
    let cell = |number| {
        let names = cases.get(&number).map_or(&[][..], Vec::as_slice);
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(" ")
    };
    let mut known = BTreeSet::new();
    let mut wanted = String::new();
    for line in text.lines() {
        if let Some((number, [attack, _, note])) = row(line) {
            assert!(known.insert(number), "{number} stands there twice");
            let tests = cell(number);
            assert!(
                !tests.is_empty() || !note.is_empty(),
                "case {number} has neither a test nor a reason: {attack}"
            );
            write!(wanted, "| {number} | {attack} | {tests} | {note} |").unwrap();
        } else {
            wanted.push_str(line);
        }
        wanted.push('\n');
    }
    assert!(
        known.iter().copied().eq(CASES),
        "the table has every case once"
    );
    let unknown: Vec<_> = cases
        .keys()
        .filter(|number| !known.contains(number))
        .collect();
    assert!(
        unknown.is_empty(),
        "tests of cases that there are not: {unknown:?}"
    );
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    for (is, should) in text.lines().zip(wanted.lines()) {
        assert_eq!(
            is, should,
            "docs/security-cases.md is not what the tree has; {UPDATE}=1 writes it anew"
        );
    }
}

#[test]
fn names_say_which_cases_they_show() {
    let of = |name| numbers(name).into_iter().collect::<Vec<_>>();
    assert_eq!(of("c044_code_race"), [44]);
    assert_eq!(of("c019_to_c021_floods"), [19, 20, 21]);
    assert_eq!(of("c022_and_c029_objects"), [22, 29]);
    assert_eq!(of("c062_c063_c067_forgeries"), [62, 63, 67]);
    assert_eq!(of("c065_c179_a_store_of_c066"), [65, 179]);
    assert!(of("cookies_of_c138").is_empty());
}
