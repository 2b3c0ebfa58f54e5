//! Where settings come from: the file and the environment, flattened to `section.key`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format as _, Toml},
    value::{Dict, Value},
};

use super::{
    KEYS,
    keys::Kind,
    reader::{ConfigError, Problem},
};

const PREFIX: &str = "COUNTERSIGN__";
const DEFAULT_FILE: &str = "countersign.toml";
/// What `dev` leaves where it keeps its data, unless told otherwise.
const DEV_FILE: &str = "data/countersign.toml";

/// A file and an environment to read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The text of the file and its name.
    file: Option<(PathBuf, String)>,
    environment: BTreeMap<String, String>,
}

impl Sources {
    /// The process's environment and `file`; without one `countersign.toml`, if it exists.
    pub fn of_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        Self::of_file(file.or_else(|| default.exists().then_some(default)))
    }

    /// As [`Sources::of_process`]; where neither a file nor the environment says anything, what `dev`
    /// left in this directory.
    pub fn of_process_or_dev(file: Option<&Path>) -> Result<Self, ConfigError> {
        let sources = Self::of_process(file)?;
        let dev = Path::new(DEV_FILE);
        let is_silent = sources.file.is_none()
            && !sources.environment.keys().any(|name| {
                name.starts_with(PREFIX) || name == "DATABASE_URL" || name == "REDIS_URL"
            });
        if is_silent && dev.exists() {
            return Self::of_file(Some(dev));
        }
        Ok(sources)
    }

    fn of_file(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path
            .map(|path| match fs::read_to_string(path) {
                Ok(text) => Ok((path.to_owned(), text)),
                Err(error) => Err(Problem::new(
                    &path.display().to_string(),
                    &format!("cannot be read: {error}"),
                    "name the file with --config, or make one: countersign config init",
                )),
            })
            .transpose()?;
        // Variables that are not Unicode cannot be ours.
        let environment = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { file, environment })
    }

    /// A file's text, for tests and for `dev`.
    pub fn of_text(text: &str) -> Self {
        Self {
            file: Some((DEFAULT_FILE.into(), text.to_owned())),
            environment: BTreeMap::new(),
        }
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The file that is read, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// All settings, flat. Later sources win: file, well-known variables, own variables.
    pub(super) fn read(&self) -> Result<Found, ConfigError> {
        let mut found = Found::default();
        if let Some((path, text)) = &self.file {
            let name = path.display().to_string();
            let tree: Dict = Figment::from(Toml::string(text))
                .extract()
                .map_err(|error| {
                    Problem::new(&name, &format!("is not TOML: {error}"), "mend the syntax")
                })?;
            flatten("", tree, &mut |path, value| found.put(path, value, &name));
        }
        for (name, path) in [
            ("DATABASE_URL", "database.url"),
            ("REDIS_URL", "state.redis_url"),
        ] {
            if let Some(value) = self.environment.get(name).filter(|value| !value.is_empty()) {
                found.put(path.to_owned(), Value::from(value.as_str()), name);
            }
        }
        for (name, value) in &self.environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path = rest.to_lowercase().replace("__", ".");
                found.put_variable(path, value, name);
            }
        }
        Ok(found)
    }
}

fn flatten(prefix: &str, tree: Dict, put: &mut impl FnMut(String, Value)) {
    for (key, value) in tree {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        if let Value::Dict(_, inner) = value {
            flatten(&path, inner, put);
        } else {
            put(path, value);
        }
    }
}

/// What was found: value and origin by path.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) values: BTreeMap<String, (Value, String)>,
    pub(super) problems: Vec<Problem>,
}

impl Found {
    fn put(&mut self, path: String, value: Value, origin: &str) {
        self.values.insert(path, (value, origin.to_owned()));
    }

    /// A variable holds the value, or for a secret `…_FILE` names the file that does.
    fn put_variable(&mut self, path: String, value: &str, name: &str) {
        let key = |path: &str| KEYS.iter().find(|key| key.path == path);
        let secret = path
            .strip_suffix("_file")
            .filter(|_| key(&path).is_none())
            .filter(|path| key(path).is_some_and(|key| key.kind == Kind::Secret));
        match (key(&path).map(|key| key.kind), secret) {
            (_, Some(secret)) => match fs::read_to_string(value) {
                Ok(text) => self.put(secret.to_owned(), Value::from(text.trim_end()), name),
                Err(error) => self.problems.push(Problem::new(
                    name,
                    &format!("names {value:?}, which cannot be read: {error}"),
                    "name a file that the server's user can read",
                )),
            },
            (Some(Kind::Integer | Kind::List), None) => {
                let list_or_number: Value = match value.parse() {
                    Ok(value) => value,
                    Err(never) => match never {},
                };
                self.put(path, comma_list(list_or_number), name);
            }
            (_, None) => self.put(path, Value::from(value), name),
        }
    }
}

/// `a,b` in a variable is a list as much as `[a, b]`.
fn comma_list(value: Value) -> Value {
    match value.as_str() {
        Some(text) => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Value::from(parts.map(Value::from).collect::<Vec<_>>())
        }
        None => value,
    }
}
