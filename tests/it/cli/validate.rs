//! `config validate` opens what the configuration names.

use std::os::unix::fs::PermissionsExt as _;

use super::Desk;

#[test]
fn every_file_that_cannot_be_used_is_named_at_once_and_nothing_is_written() {
    let desk = Desk::new();
    let write = |name: &str, text: &str| std::fs::write(desk.0.path().join(name), text).unwrap();
    desk.ok(&["config", "validate"]);
    write("a-file", "not a directory");
    write("kek", &"k".repeat(32));
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.0.path().join("kek"), readable).unwrap();
    write(
        "countersign.toml",
        "issuer = \"https://id.example\"\n\
         [tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
         [database]\nurl = \"sqlite://a-file/db?mode=rwc\"\n\
         [state]\nredis_url = \"rediss://r.example\"\nredis_ca_file = \"a-file\"\n\
         [keys]\nkek_file = \"kek\"\n",
    );
    let said = desk.fails(2, &["config", "validate"]);
    for words in [
        "cert.pem",
        "a-file is no directory",
        "it holds no certificate",
        "chmod 600 kek",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let names = std::fs::read_dir(desk.0.path()).unwrap();
    assert_eq!(names.count(), 3, "nothing is written");
}
