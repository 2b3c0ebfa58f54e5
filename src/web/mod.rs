//! HTTP: routes, endpoints, pages.

pub mod assets;
pub mod csp;
pub mod pages;
pub mod respond;
