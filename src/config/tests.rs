#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use secrecy::ExposeSecret as _;

use std::collections::BTreeSet;

use super::*;
use crate::infrastructure::mail::SmtpSecurity;

const LEAST: &str = "issuer = \"https://login.example.com\"\n";

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::load(&Sources::of_text(text))
}

fn problems(text: &str) -> Vec<String> {
    let error = load(text).expect_err("refused");
    error.problems.iter().map(ToString::to_string).collect()
}

fn with(setting: &str) -> String {
    format!("{LEAST}{setting}")
}

#[test]
fn an_issuer_is_enough() {
    let config = load(LEAST).unwrap();
    assert_eq!(config.issuer.as_str(), "https://login.example.com");
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.management.to_string(), "127.0.0.1:9000");
    assert_eq!(config.lifetimes.code, Duration::from_mins(1));
    assert_eq!(config.keys.algorithms.len(), 4);
    assert!(matches!(config.state, StateConfig::Embedded(_)));
}

#[test]
fn the_defaults_of_the_list_are_those_of_the_types() {
    let config = load(LEAST).unwrap();
    let (listed, typed) = (&config.lifetimes, &Lifetimes::default());
    assert_eq!(format!("{listed:?}"), format!("{typed:?}"));
    let (listed, typed) = (&config.login_limits, &LoginLimits::default());
    assert_eq!(format!("{listed:?}"), format!("{typed:?}"));
    assert_eq!(config.passwords.cost, PasswordCost::default());
    let (listed, typed) = (config.passwords.load, PasswordLoad::default());
    assert_eq!(format!("{listed:?}"), format!("{typed:?}"));
}

#[test]
fn every_listed_key_is_read_and_every_read_key_is_listed() {
    let mut reader = Reader::new(Sources::of_text(LEAST).read().unwrap());
    read(&mut reader).unwrap();
    let listed: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(reader.paths_read(), &listed);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let found = problems(&with("[server]\nprot = 1\n"));
    assert_eq!(
        found,
        ["server.prot (countersign.toml) is unknown: did you mean server.port?"]
    );
    let sources = Sources::of_text(LEAST).with_variable("COUNTERSIGN__LIFETIMES__CODES", "60s");
    let error = Config::load(&sources).expect_err("refused");
    assert_eq!(
        error.problems[0].to_string(),
        "lifetimes.codes (COUNTERSIGN__LIFETIMES__CODES) is unknown: did you mean lifetimes.code?"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let found = problems(
        "issuer = \"http://login.example.com\"\n[lifetimes]\ncode = \"soon\"\n[server]\nport = -1\nx = 1\n",
    );
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with("issuer (countersign.toml) is \"http://login.example.com\""));
}

#[test]
fn wrong_values_are_refused_with_advice() {
    for (setting, expected) in [
        (
            "[server]\naddress = \"here\"",
            "server.address (countersign.toml) is \"here\": write an IP address",
        ),
        (
            "[server]\nport = 65536",
            "server.port (countersign.toml) is out of range: write a number from 0 to 65535",
        ),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "server.trusted_proxies (countersign.toml) contains \"10.0.0.0/33\"",
        ),
        ("[tls]\ncertificate = \"a.pem\"", "tls.key is missing"),
        (
            "[keys]\nalgorithms = [\"ES256\"]",
            "keys.algorithms (countersign.toml) lacks RS256",
        ),
        (
            "[keys]\nalgorithms = [\"RS256\"]",
            "keys.access_token_algorithm is not among keys.algorithms",
        ),
        (
            "[lifetimes]\ncode = \"1h\"",
            "lifetimes.code (countersign.toml) is too long",
        ),
        (
            "[lifetimes]\naccess_token = \"0s\"",
            "lifetimes.access_token (countersign.toml) is zero",
        ),
        (
            "[log]\nformat = \"xml\"",
            "log.format (countersign.toml) is \"xml\": choose json or compact",
        ),
        (
            "[passwords]\nmemory_kib = 8\nlanes = 4",
            "passwords.memory_kib (countersign.toml) argon2 needs",
        ),
        (
            "[state]\nredis_url = \"http://x\"",
            "state.redis_url (countersign.toml) is no URL of a Redis server",
        ),
    ] {
        let found = problems(&with(setting));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(expected), "{}", found[0]);
    }
}

#[test]
fn a_missing_issuer_is_explained() {
    let found = problems("");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("such as https://login.example.com"),
        "{}",
        found[0]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let sources = Sources::of_text(&with("[server]\nport = 1\ntrusted_proxies = []\n"))
        .with_variable("COUNTERSIGN__SERVER__PORT", "8443")
        .with_variable(
            "COUNTERSIGN__SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8,192.0.2.1",
        )
        .with_variable("COUNTERSIGN__ISSUER", "https://other.example.com")
        .with_variable("PATH", "/bin");
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.port(), 8443);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.issuer.as_str(), "https://other.example.com");
}

#[test]
fn well_known_variables_are_understood_and_own_ones_win() {
    let sources = Sources::of_text(LEAST)
        .with_variable("DATABASE_URL", "postgres://one/x")
        .with_variable("REDIS_URL", "redis://one");
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.database.url.expose_secret(), "postgres://one/x");
    assert!(matches!(config.state, StateConfig::Redis(_)));
    let sources = sources.with_variable("COUNTERSIGN__DATABASE__URL", "postgres://two/x");
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.database.url.expose_secret(), "postgres://two/x");
}

#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "postgres://user:hunter2@db/x\n").unwrap();
    let name = "COUNTERSIGN__DATABASE__URL_FILE";
    let sources = Sources::of_text(LEAST).with_variable(name, file.path().to_str().unwrap());
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        config.database.url.expose_secret(),
        "postgres://user:hunter2@db/x"
    );
    let missing = Sources::of_text(LEAST).with_variable(name, "/does/not/exist");
    assert!(Config::load(&missing).is_err());
}

#[test]
fn c175_no_problem_repeats_a_secret_and_no_debug_output_shows_one() {
    let canary = "mysql://user:canary-5e1f@db/x";
    let error = Config::load(&Sources::of_text(LEAST).with_variable("DATABASE_URL", canary));
    let error = error.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("canary-5e1f"));
    let good = "postgres://user:canary-5e1f@db/x";
    let config = Config::load(&Sources::of_text(LEAST).with_variable("DATABASE_URL", good));
    assert!(!format!("{:?}", config.unwrap()).contains("canary-5e1f"));
}

#[test]
fn the_template_is_valid_and_changes_nothing() {
    let issuer = Issuer::parse("https://login.example.com").unwrap();
    let config = load(&template(&issuer)).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", load(LEAST).unwrap()));
}

#[test]
fn the_template_for_this_machine_listens_on_this_machine_only() {
    let issuer = Issuer::parse("http://localhost:8123").unwrap();
    let config = load(&template(&issuer)).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8123");
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == reference(),
        "write it anew: cargo run -- config reference > docs/configuration.md"
    );
}

const MAIL: &str =
    "[mail]\nhost = \"mail.example.com\"\nfrom = \"Example <no-reply@example.com>\"\n";

#[test]
fn mail_is_off_until_a_server_is_named() {
    assert!(load(LEAST).unwrap().mail.smtp().is_none());
    let mail = load(&with(MAIL)).unwrap().mail.smtp().unwrap().clone();
    assert_eq!(mail.security, SmtpSecurity::StartTls);
    assert_eq!(mail.own_name, "login.example.com");
}

#[test]
fn a_mail_password_may_stand_in_a_file_and_is_never_sent_in_the_clear() {
    let credentials = "username = \"u\"\npassword = \"canary\"\n";
    let text = with(&format!("{MAIL}{credentials}"));
    assert!(
        load(&text)
            .unwrap()
            .mail
            .smtp()
            .unwrap()
            .clone()
            .credentials
            .is_some()
    );
    let found = problems(&format!("{text}security = \"insecure\"\n"));
    assert!(
        found[0].contains("mail.password") && found[0].contains("unencrypted"),
        "{found:?}"
    );
    assert!(!found[0].contains("canary"));
}

#[test]
fn unencrypted_mail_goes_to_this_machine_only_unless_the_operator_insists() {
    let plain = |host: &str, word: &str| {
        with(&format!(
            "[mail]\nhost = \"{host}\"\nfrom = \"a@b.example\"\nsecurity = \"{word}\"\n"
        ))
    };
    for host in ["localhost", "127.0.0.1", "::1"] {
        assert!(
            load(&plain(host, "plain")).unwrap().mail.smtp().is_some(),
            "{host}"
        );
    }
    let found = problems(&plain("mail.example.com", "plain"));
    assert!(found[0].starts_with("mail.security"), "{found:?}");
    assert!(
        load(&plain("mail.example.com", "insecure"))
            .unwrap()
            .mail
            .smtp()
            .is_some()
    );
}

#[test]
fn half_a_mail_configuration_is_refused() {
    for (text, key) in [
        ("[mail]\nhost = \"m.example\"\n", "mail.from"),
        ("[mail]\nfrom = \"a@b.example\"\n", "mail.host"),
        (
            "[mail]\nhost = \"m.example\"\nfrom = \"a@b.example\"\nusername = \"u\"\n",
            "mail.password",
        ),
        (
            "[mail]\nhost = \"m.example\"\nfrom = \"a@b.example\\nBcc: c@d.example\"\n",
            "mail.from",
        ),
    ] {
        let found = problems(&with(text));
        assert!(found[0].starts_with(key), "{found:?}");
    }
}

#[test]
fn traces_are_off_until_a_collector_is_named_and_its_headers_are_never_shown() {
    assert!(load(LEAST).unwrap().telemetry.is_none());
    let text = with(
        "[telemetry]\notlp_endpoint = \"http://collector:4318\"\notlp_headers = \"authorization=Basic c2VjcmV0,x-tenant=a\"\nsample_ratio = \"0.5\"\n",
    );
    let config = load(&text).unwrap();
    assert!(!format!("{config:?}").contains("c2VjcmV0"));
    let telemetry = config.telemetry.unwrap();
    assert_eq!(
        telemetry.endpoint.as_str(),
        "http://collector:4318/v1/traces"
    );
    assert_eq!(telemetry.headers[0].0, "authorization");
    assert_eq!(telemetry.headers[0].1.expose_secret(), "Basic c2VjcmV0");
    assert_eq!(telemetry.headers[1].0, "x-tenant");
    assert_eq!(telemetry.sampling, Sampling::Ratio);
    let kept = with("[telemetry]\notlp_endpoint = \"https://c.example/otlp/v1/traces\"\n");
    let endpoint = load(&kept).unwrap().telemetry.unwrap().endpoint;
    assert_eq!(endpoint.path(), "/otlp/v1/traces");
    for (setting, expected) in [
        ("otlp_endpoint = \"collector:4318\"", "write a URL"),
        ("otlp_endpoint = \"http://a:s3cret@c\"", "write them into"),
        ("sample_ratio = \"1.5\"", "write a number from"),
        ("sample_ratio = \"NaN\"", "write a number from"),
        ("sampling = \"always\"", "choose ratio or parent"),
        ("otlp_headers = \"s3cret\"", "write name=value"),
    ] {
        let found = problems(&with(&format!("[telemetry]\n{setting}\n")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
        assert!(!found[0].contains("s3cret"));
    }
}

#[test]
fn the_trail_is_kept_for_good_only_where_that_is_said() {
    let day = Duration::from_hours(24);
    assert_eq!(load(LEAST).unwrap().audit_retention, Some(400 * day));
    let kept = load(&with("[audit]\nretention = \"0s\"\n")).unwrap();
    assert_eq!(kept.audit_retention, None);
}
