//! What makes the pages and mails look like the operator's: name, logo, accent color, support link.
//!
//! People must be able to read what they see whatever color was chosen: the accent is darkened on light
//! pages and lightened on dark ones until its contrast is that of WCAG 2.2 §1.4.3 (4.5:1).

use std::{fmt, str::FromStr};

use url::Url;

/// The name on the pages where the operator chose none.
pub const PRODUCT: &str = "Countersign";
/// Characters of a name at most: it stands beside the logo on a phone.
const LONGEST_NAME: usize = 40;
/// Bytes of a logo at most: it is part of every first visit.
pub const LARGEST_LOGO: usize = 64 * 1024;

/// How the pages and mails look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branding {
    /// The name on every page and in every title.
    pub product_name: ProductName,
    /// The picture beside it.
    pub logo: Option<Logo>,
    /// The color of buttons and links.
    pub accent: Option<Color>,
    /// Where people find help.
    pub support: Option<SupportLink>,
}

/// A name that fits beside a logo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName(String);

impl Default for ProductName {
    fn default() -> Self {
        Self(PRODUCT.to_owned())
    }
}

impl ProductName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a part of the branding, to be read after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(&'static str);

impl FromStr for ProductName {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let name = text.trim();
        let is_fit = !name.is_empty()
            && name.chars().count() <= LONGEST_NAME
            && !name.chars().any(char::is_control);
        is_fit
            .then(|| Self(name.to_owned()))
            .ok_or(Unfit("write 1 to 40 characters on one line"))
    }
}

/// Where people find help: a page or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportLink(Url);

impl SupportLink {
    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for SupportLink {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        const FIX: Unfit = Unfit(
            "write an address such as \"https://help.example.com\" or \"mailto:help@example.com\"",
        );
        let url = Url::parse(text).map_err(|_| FIX)?;
        let is_fit = matches!(url.scheme(), "https" | "mailto");
        is_fit.then_some(Self(url)).ok_or(FIX)
    }
}

/// A picture that browsers show.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

impl Logo {
    /// The picture in this file: SVG, PNG, WebP or JPEG, whatever its name says.
    pub fn of(bytes: Vec<u8>) -> Result<Self, Unfit> {
        if bytes.len() > LARGEST_LOGO {
            return Err(Unfit("is larger than 64 KiB"));
        }
        let media_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => "image/webp",
            text if is_svg(text) => "image/svg+xml",
            _ => return Err(Unfit("is neither SVG, PNG, WebP nor JPEG")),
        };
        Ok(Self { bytes, media_type })
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    (text.starts_with("<svg") || text.starts_with("<?xml") || text.starts_with("<!--"))
        && text.contains("<svg")
}

/// An sRGB color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl FromStr for Color {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        const FIX: Unfit = Unfit("write a color such as \"#14695d\"");
        let hex = text.strip_prefix('#').ok_or(FIX)?;
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(FIX);
        }
        let number = u32::from_str_radix(hex, 16).map_err(|_| FIX)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The accent where the operator chose none: that of the stylesheet on light pages.
const OWN: Color = Color([0x14, 0x69, 0x5d]);
const BLACK: Color = Color([0; 3]);
const WHITE: Color = Color([255; 3]);
/// `--card` of dark pages.
const DARK_CARD: Color = Color([0x16, 0x1e, 0x1c]);
/// What text needs at least (4.5), and room for backgrounds that are tinted.
const CONTRAST: f64 = 5.6;

impl Color {
    /// `share` hundredths of `other`, the rest of this one.
    fn mixed(self, other: Self, share: u16) -> Self {
        let mix = |(a, b): (u8, u8)| {
            let sum = u16::from(a) * (100 - share) + u16::from(b) * share;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let [r, g, b] = self.0;
        let [or, og, ob] = other.0;
        Self([mix((r, or)), mix((g, og)), mix((b, ob))])
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast ratio (WCAG 2.2), 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This color, as near as it can be read on `background`.
    fn readable_on(self, background: Self) -> Self {
        let towards = if background.luminance() > 0.5 {
            BLACK
        } else {
            WHITE
        };
        (0..=100)
            .map(|share| self.mixed(towards, share))
            .find(|color| color.contrast(background) >= CONTRAST)
            .unwrap_or(towards)
    }
}

/// The colors that follow from an accent on pages of one brightness.
#[derive(Clone, Copy, Debug)]
struct Shades {
    accent: Color,
    strong: Color,
    soft: Color,
    on: Color,
}

impl Shades {
    fn light(chosen: Color) -> Self {
        let accent = chosen.readable_on(WHITE);
        Self {
            accent,
            strong: accent.mixed(BLACK, 22),
            soft: WHITE.mixed(accent, 9),
            on: WHITE,
        }
    }

    fn dark(chosen: Color) -> Self {
        let accent = chosen.readable_on(DARK_CARD);
        Self {
            accent,
            strong: accent.mixed(WHITE, 22),
            soft: DARK_CARD.mixed(accent, 12),
            on: BLACK,
        }
    }
}

impl fmt::Display for Shades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            ":root{{--accent:{};--accent-strong:{};--accent-soft:{};--on-accent:{}}}",
            self.accent, self.strong, self.soft, self.on
        )
    }
}

impl Branding {
    /// The stylesheet that comes after our own; absent where the accent is our own.
    pub fn stylesheet(&self) -> Option<String> {
        let chosen = self.accent?;
        let (light, dark) = (Shades::light(chosen), Shades::dark(chosen));
        Some(format!(
            "{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n"
        ))
    }

    /// The accent of mails, which are dark on light.
    pub fn mail_accent(&self) -> Color {
        self.accent
            .map_or(OWN, |chosen| Shades::light(chosen).accent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_accent_everything_in_it_can_be_read(rgb in any::<[u8; 3]>()) {
            let chosen = Color(rgb);
            for (shades, card, paper) in [
                (Shades::light(chosen), WHITE, "#f3f5f3"),
                (Shades::dark(chosen), DARK_CARD, "#0e1413"),
            ] {
                let paper: Color = paper.parse().unwrap();
                for (text, background) in [
                    (shades.accent, card),
                    (shades.accent, paper),
                    (shades.accent, shades.soft),
                    (shades.strong, card),
                    (shades.strong, shades.soft),
                    (shades.on, shades.accent),
                    (shades.on, shades.strong),
                ] {
                    let contrast = text.contrast(background);
                    prop_assert!(contrast >= 4.5, "{text} on {background}: {contrast}");
                }
            }
        }
    }

    #[test]
    fn a_color_that_can_be_read_stays_as_it_is() {
        let branding = Branding {
            accent: Some("#0b4f9e".parse().unwrap()),
            ..Branding::default()
        };
        let sheet = branding.stylesheet().unwrap();
        assert!(sheet.starts_with(":root{--accent:#0b4f9e;"), "{sheet}");
        assert_eq!(Branding::default().stylesheet(), None);
    }

    #[test]
    fn nothing_but_a_color_is_one() {
        for text in [
            "", "14695d", "#14695", "#14695dd", "#14695g", "red", "#+4695d", "#éabcd",
        ] {
            assert!(text.parse::<Color>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_support_link_runs_nothing() {
        for text in [
            "javascript:alert(1)",
            "http://help.example",
            "help",
            "data:,x",
        ] {
            assert!(text.parse::<SupportLink>().is_err(), "{text}");
        }
        assert!("mailto:help@example.com".parse::<SupportLink>().is_ok());
    }

    #[test]
    fn a_logo_is_known_by_what_it_holds() {
        let svg = b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec();
        assert_eq!(Logo::of(svg).unwrap().media_type, "image/svg+xml");
        assert_eq!(
            Logo::of(b"\x89PNG\r\n".to_vec()).unwrap().media_type,
            "image/png"
        );
        assert!(Logo::of(b"<html><svg>".to_vec()).is_err());
        assert!(Logo::of(vec![0; LARGEST_LOGO + 1]).is_err());
    }
}
