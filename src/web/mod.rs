//! HTTP: routes, endpoints, pages.
