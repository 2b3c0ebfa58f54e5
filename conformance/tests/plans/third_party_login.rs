//! `oidcc-3rdparty-init-login-certification-test-plan`

crate::plan! {
    code: Flow::new("code") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
    code_id_token: Flow::new("code id_token") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
    code_token: Flow::new("code token") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
    code_id_token_token: Flow::new("code id_token token") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
    id_token: Flow::new("id_token") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
    id_token_token: Flow::new("id_token token") => [
        oidcc_3rd_party_init_login,
        oidcc_3rd_party_init_login_nohttps,
    ]
}
