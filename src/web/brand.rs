//! The operator's branding, as pages show it.
//!
//! A process has one, set before the first page: every page stands on it, also those that know nothing of
//! the rest of the configuration.

use std::sync::OnceLock;

use super::assets::{Asset, LOGO};
use crate::domain::brand::{Branding, PRODUCT, SupportLink};

static BRAND: OnceLock<Brand> = OnceLock::new();
static OWN: Brand = Brand {
    name: PRODUCT,
    logo: None,
    stylesheet: None,
    support: None,
};

/// What every page shows.
#[derive(Debug)]
pub struct Brand {
    name: &'static str,
    logo: Option<Asset>,
    stylesheet: Option<Asset>,
    support: Option<&'static str>,
}

/// That of this process.
pub fn current() -> &'static Brand {
    BRAND.get().unwrap_or(&OWN)
}

/// Makes this branding that of the process. Only the first one counts.
pub fn set(branding: &Branding) {
    BRAND.get_or_init(|| Brand::of(branding));
}

/// Kept for as long as the process runs.
fn kept<T: Clone>(values: &[T]) -> &'static [T] {
    Vec::leak(values.to_vec())
}

fn kept_text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

impl Brand {
    fn of(branding: &Branding) -> Self {
        Self {
            name: kept_text(branding.product_name.as_str()),
            logo: branding
                .logo
                .as_ref()
                .map(|logo| Asset::new("brand-logo", logo.media_type, kept(&logo.bytes))),
            stylesheet: branding.stylesheet().map(|sheet| {
                Asset::new(
                    "brand.css",
                    "text/css; charset=utf-8",
                    kept(sheet.as_bytes()),
                )
            }),
            support: branding
                .support
                .as_ref()
                .map(SupportLink::as_str)
                .map(kept_text),
        }
    }

    /// The product's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The picture beside the name.
    pub fn logo(&self) -> &Asset {
        self.logo.as_ref().unwrap_or(&LOGO)
    }

    /// The operator's picture, if there is one.
    pub fn own_logo(&self) -> Option<&Asset> {
        self.logo.as_ref()
    }

    /// What comes after our own stylesheet.
    pub fn stylesheet(&self) -> Option<&Asset> {
        self.stylesheet.as_ref()
    }

    /// Where people find help.
    pub fn support(&self) -> Option<&'static str> {
        self.support
    }

    /// The file of this name.
    pub(super) fn asset(&self, name: &str) -> Option<&Asset> {
        let own = [self.logo.as_ref(), self.stylesheet.as_ref()];
        own.into_iter().flatten().find(|asset| asset.is(name))
    }
}
