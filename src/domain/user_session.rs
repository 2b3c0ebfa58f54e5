//! Where a user is signed in: a browser, or an application of the operator's own.

use super::{
    id::{ClientId, SessionId, UserId},
    time::Timestamp,
};

/// What a browser says of itself is kept up to this length, characters.
const MOST_AGENT: usize = 256;

/// A session as its user knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// The `sid` of its ID tokens. Knowing it lets nobody in.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The version of the account in which it began: it ends with it.
    pub security_version: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last used, to the hour.
    pub seen_at: Timestamp,
    /// When it ends by itself if it is not used again.
    pub expires_at: Timestamp,
    /// The network that it was last used from.
    pub address: Option<String>,
    /// What the browser or application said that it is (`User-Agent`).
    pub agent: Option<String>,
    /// The application of the operator's own that signed in without a browser.
    pub client: Option<ClientId>,
}

impl UserSession {
    /// Whether it can still be used at `now` by somebody whose account is of this version.
    pub fn stands(&self, security_version: u64, now: Timestamp) -> bool {
        self.security_version == security_version && now < self.expires_at
    }
}

/// What a program says of itself, without control characters and of bounded length.
pub fn agent(header: &str) -> Option<String> {
    let kept: String = header
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_AGENT)
        .collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// The programs that people know, in the order in which they are to be looked for: each pretends to be
/// those after it.
const PROGRAMS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Where they run.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A device as people would call it: “Firefox on Linux”.
pub fn device_name(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(system)) => format!("A program on {system}"),
        // The first word of what it says: `curl/8.5.0`.
        (None, None) => agent
            .split_whitespace()
            .next()
            .unwrap_or("An unknown device")
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_the_names_that_people_use() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("okhttp/4.12.0 (Android 15)", "A program on Android"),
            ("", "An unknown device"),
        ] {
            assert_eq!(device_name(agent), name);
        }
    }

    #[test]
    fn what_a_browser_says_is_bounded_and_printable() {
        assert_eq!(agent(" \u{7}\r\n "), None);
        assert_eq!(agent(&"x".repeat(5_000)).map(|kept| kept.len()), Some(256));
        assert_eq!(agent("a\u{0}b"), Some("ab".to_owned()));
    }
}
