//! `oidcc-session-management-certification-test-plan`

crate::plan! {
    code: Flow::new("code") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
    code_id_token: Flow::new("code id_token") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
    code_token: Flow::new("code token") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
    code_id_token_token: Flow::new("code id_token token") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
    id_token: Flow::new("id_token") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
    id_token_token: Flow::new("id_token token") => [
        oidcc_session_management_discovery_endpoint_verification,
        oidcc_session_management_rp_initiated_logout,
    ]
}
