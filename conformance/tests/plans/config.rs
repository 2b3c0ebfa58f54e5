//! `oidcc-config-certification-test-plan`

crate::plan! {
    any: Flow::new("code") => [
        oidcc_discovery_endpoint_verification,
    ]
}
