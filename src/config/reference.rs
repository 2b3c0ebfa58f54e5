//! The reference page and the commented file, both from the list of keys.

use std::fmt::Write as _;

use super::{
    Config, ConfigError, KEYS, Sources,
    keys::{Key, Kind, SECTIONS},
};
use crate::protocol::issuer::Issuer;

const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `countersign config reference`; a test keeps it so. -->

Countersign reads `countersign.toml` in the working directory, or the file that `--config` or
`COUNTERSIGN_CONFIG` names. Where there is neither, and the environment sets nothing, every verb but
`serve` reads `data/countersign.toml`, which `dev` leaves. Every setting can also stand in the environment:
`COUNTERSIGN__SECTION__KEY` (lists with commas), which wins over the file. A secret can stand in a
file of its own that `COUNTERSIGN__SECTION__KEY_FILE` names. `DATABASE_URL` and `REDIS_URL` are
understood. Durations are written `90s`, `10m`, `8h`, `14d` or `1h30m`.

Everything is checked at the start, and an unknown key is an error. `countersign config validate`
checks without starting, `countersign config show` prints what is in effect, without secrets, and
`countersign config init` writes a file to begin with.
";

/// The reference page, Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Top level\n");
    table(&mut page, "");
    for (section, about) in SECTIONS {
        let _ = write!(page, "\n## `[{section}]`\n\n{about}\n");
        table(&mut page, section);
    }
    page
}

fn table(page: &mut String, section: &str) {
    page.push_str("\n| Key | Holds | Default | Environment | Meaning |\n|---|---|---|---|---|\n");
    for key in keys_of(section) {
        let default = key
            .default
            .map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | `{}` | {} |",
            key.name(),
            key.kind.as_str(),
            key.variable(),
            key.doc
        );
    }
}

/// A commented file to begin with. `issuer` is the only setting that has no default. With one that is
/// only known on this machine, the server listens on this machine only, at the issuer's port.
pub fn template(issuer: &Issuer) -> String {
    let loopback = [
        ("server.address", "\"127.0.0.1\"".to_owned()),
        ("server.port", issuer.port().to_string()),
    ];
    let is_set = |path: &str| {
        let mut set = loopback.iter().filter(|_| !issuer.is_https());
        set.find(|(key, _)| *key == path)
    };
    let mut file = String::from(
        "# Countersign. Lines that begin with '# ' and a key show the defaults.\n\
         # Every setting: countersign config reference\n",
    );
    for key in keys_of("") {
        // The issuer is an URL that was checked: it has no quotes.
        let _ = write!(
            file,
            "\n{}{} = \"{issuer}\"\n",
            comment(key.doc),
            key.name()
        );
    }
    for (section, about) in SECTIONS {
        let _ = write!(file, "\n{}[{section}]\n", comment(about));
        for key in keys_of(section) {
            let (mark, value) = match is_set(key.path) {
                Some((_, value)) => ("", value.as_str()),
                None => ("# ", key.default.unwrap_or("\"\"")),
            };
            let _ = writeln!(file, "{}{mark}{} = {value}", comment(key.doc), key.name());
        }
    }
    file
}

/// Comment lines of at most 96 characters.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 96 {
            let _ = writeln!(lines, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(lines, "{line}");
    lines
}

fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section() == section)
}

impl Key {
    fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    fn name(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    fn variable(&self) -> String {
        let file = match self.kind {
            Kind::Secret => "[_FILE]",
            Kind::Text | Kind::Integer | Kind::Duration | Kind::Path | Kind::List => "",
        };
        let path = self.path.to_uppercase().replace('.', "__");
        format!("COUNTERSIGN__{path}{file}")
    }
}

/// A setting that is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`
    pub path: &'static str,
    /// As it would be written in TOML; a secret only as stars.
    pub value: String,
    /// The file, the environment variable, or `default`.
    pub origin: String,
}

/// Every setting that is in effect, checked, without secrets.
pub fn show(sources: &Sources) -> Result<Vec<Setting>, ConfigError> {
    Config::load(sources)?;
    let found = sources.read()?;
    let settings = KEYS.iter().filter_map(|key| {
        let (value, origin) = match found.values.get(key.path) {
            Some((value, origin)) => {
                let json = serde_json::to_value(value).unwrap_or_default();
                (json.to_string(), origin.clone())
            }
            None => (key.default?.to_owned(), "default".to_owned()),
        };
        let value = match key.kind {
            Kind::Secret if origin != "default" => "\"********\"".to_owned(),
            Kind::Secret
            | Kind::Text
            | Kind::Integer
            | Kind::Duration
            | Kind::Path
            | Kind::List => value,
        };
        Some(Setting {
            path: key.path,
            value,
            origin,
        })
    });
    Ok(settings.collect())
}
