//! `[branding]`: the pages of a server look like its operator's.

use super::{Desk, dev::started, state::serve};

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"/>";

#[tokio::test]
async fn every_page_shows_the_name_logo_color_and_help_of_the_operator() {
    let desk = Desk::new();
    std::fs::write(desk.0.path().join("logo.svg"), SVG).unwrap();
    let settings = [
        ("ISSUER", "http://127.0.0.1"),
        ("BRANDING__PRODUCT_NAME", "Nordic <Mail>"),
        ("BRANDING__LOGO", "logo.svg"),
        ("BRANDING__ACCENT", "#7a1fa2"),
        ("BRANDING__SUPPORT", "https://help.example/"),
    ];
    let (_server, ready) = started(&mut serve(&desk, &settings));
    let at = ready["listen"].as_str().unwrap();
    let get = async |path: &str| reqwest::get(format!("http://{at}{path}")).await.unwrap();
    for path in ["/login?return_to=/account", "/", "/nowhere"] {
        let page = get(path).await.text().await.unwrap();
        assert!(page.contains("· Nordic &#60;Mail&#62;</title>"), "{page}");
        assert!(page.contains("href=\"https://help.example/\""), "{page}");
        assert!(!page.contains("Countersign</header>"), "{page}");
        for file in ["brand-logo", "brand.css"] {
            let (_, link) = page.split_once(&format!("/static/{file}")).unwrap();
            let (link, _) = link.split_once('"').unwrap();
            let answer = get(&format!("/static/{file}{link}")).await;
            assert!(
                answer.headers()["cache-control"]
                    .to_str()
                    .unwrap()
                    .contains("immutable")
            );
            let policy = answer.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert!(policy.starts_with("default-src 'none'") && policy.ends_with("sandbox"));
            let body = answer.text().await.unwrap();
            let is_there = body == SVG || body.starts_with(":root{--accent:#7a1fa2;");
            assert!(is_there, "{body}");
        }
    }
}

#[test]
fn branding_that_cannot_be_shown_is_refused_with_advice() {
    let desk = Desk::new();
    std::fs::write(desk.0.path().join("logo.svg"), "<html>").unwrap();
    std::fs::write(
        desk.0.path().join("countersign.toml"),
        "issuer = \"https://id.example\"\n[database]\nurl = \"sqlite://db?mode=rwc\"\n\
         [branding]\nproduct_name = \"\"\nlogo = \"logo.svg\"\naccent = \"red\"\nsupport = \"javascript:alert(1)\"\n",
    )
    .unwrap();
    let said = desk.fails(2, &["config", "validate"]);
    for words in [
        "branding.product_name",
        "neither SVG",
        "#14695d",
        "mailto:help@example.com",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
