//! `[branding]`.

use std::sync::Arc;

use super::reader::Reader;
use crate::domain::brand::{Branding, Color, Logo, ProductName, SupportLink};

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader) -> Option<Arc<Branding>> {
    let product_name = r.with("branding.product_name", |text| {
        text.parse::<ProductName>().map_err(|it| it.to_string())
    });
    let accent = r.optional("branding.accent", |text| {
        text.parse::<Color>().map_err(|it| it.to_string())
    });
    let support = r.optional("branding.support", |text| {
        text.parse::<SupportLink>().map_err(|it| it.to_string())
    });
    let logo = r.optional("branding.logo", |file| {
        let bytes = std::fs::read(file)
            .map_err(|error| format!("name a picture that can be read ({error})"))?;
        Logo::of(bytes).map_err(|unfit| format!("name another picture: this one {unfit}"))
    });
    Some(Arc::new(Branding {
        product_name: product_name?,
        logo: logo?,
        accent: accent?,
        support: support?,
    }))
}
