"""Authlib logs in through our pages; joserfc and PyJWT verify what it gets."""

import json
import time

import jwt
import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt as jose
from joserfc.jwk import KeySet, RSAKey

SCOPE = "openid profile email offline_access"
VERIFIER = "a-verifier-that-is-long-enough-for-rfc-7636-section-4"


def session(client, **options):
    return OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        scope=SCOPE,
        redirect_uri=client.get("redirect_uri"),
        code_challenge_method="S256",
        **options,
    )


@pytest.fixture
def web(demo):
    return demo["clients"]["demo-web"]


@pytest.fixture
def logged_in(web, metadata, visitor):
    """A session of the web app with tokens, and the tokens."""
    app = session(web, token_endpoint_auth_method="client_secret_basic")
    url, state = app.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=VERIFIER, nonce="a-nonce"
    )
    back = visitor.authorize(url)
    token = app.fetch_token(
        metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=VERIFIER
    )
    return app, token


def test_a_web_app_logs_a_user_in_and_asks_userinfo(logged_in, metadata, web):
    app, token = logged_in
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    claims = jose.decode(token["id_token"], keys, algorithms=["RS256", "ES256"]).claims
    jose.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": web["client_id"]},
        nonce={"essential": True, "value": "a-nonce"},
        exp={"essential": True},
    ).validate(claims)
    userinfo = app.get(metadata["userinfo_endpoint"]).json()
    assert userinfo["sub"] == claims["sub"]
    assert userinfo["email"]


def test_an_access_token_verifies_through_jwks(logged_in, metadata, web):
    _, token = logged_in
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token["access_token"])
    assert jwt.get_unverified_header(token["access_token"])["typ"] == "at+jwt"
    claims = jwt.decode(
        token["access_token"],
        key,
        algorithms=["ES256", "RS256"],
        issuer=metadata["issuer"],
        options={"require": ["exp", "iat", "iss", "sub", "aud", "jti"], "verify_aud": False},
    )
    assert claims["client_id"] == web["client_id"]


def test_refresh_gives_a_new_access_token(logged_in, metadata):
    app, token = logged_in
    fresh = app.refresh_token(metadata["token_endpoint"], token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    assert app.get(metadata["userinfo_endpoint"]).status_code == 200


def test_a_revoked_token_is_inactive(logged_in, metadata):
    app, token = logged_in
    inspect = lambda: app.introspect_token(metadata["introspection_endpoint"], token["refresh_token"]).json()
    assert inspect()["active"] is True
    assert app.revoke_token(metadata["revocation_endpoint"], token["refresh_token"]).status_code == 200
    assert inspect() == {"active": False}
    with pytest.raises(OAuthError, match="invalid_grant"):
        app.refresh_token(metadata["token_endpoint"], token["refresh_token"])


def test_logout_leads_back_to_the_app(logged_in, metadata, visitor, web):
    _, token = logged_in
    request = requests.Request(
        "GET",
        metadata["end_session_endpoint"],
        params={
            "id_token_hint": token["id_token"],
            "post_logout_redirect_uri": web["post_logout_redirect_uri"],
            "state": "done",
        },
    )
    assert visitor.authorize(request.prepare().url) == web["post_logout_redirect_uri"] + "?state=done"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_service_authenticates_by_secret(cli, metadata, method):
    service = cli(
        "client", "create", "--service", "--name", f"python {method}", "--scope", "api:read", "--auth-method", method
    )
    app = OAuth2Session(service["client_id"], service["client_secret"], token_endpoint_auth_method=method)
    assert app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["access_token"]


def test_a_service_authenticates_by_a_signed_assertion(cli, metadata, tmp_path):
    key = RSAKey.generate_key(2048, {"kid": "python", "use": "sig", "alg": "RS256"})
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps(KeySet([key]).as_dict(private=False)), encoding="utf-8")
    service = cli(
        "client", "create", "--service", "--name", "python assertion",
        "--scope", "api:read", "--auth-method", "private_key_jwt", "--jwks", str(jwks),
    )
    app = OAuth2Session(service["client_id"], key.as_pem(private=True), token_endpoint_auth_method="private_key_jwt")
    # Authlib's own choice is the token endpoint as audience and an hour of life. Countersign takes only
    # the issuer and five minutes, so that a stolen assertion is worth little.
    claims = {"exp": int(time.time()) + 60}
    app.register_client_auth_method(PrivateKeyJWT(metadata["issuer"], claims, headers={"kid": "python"}))
    assert app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["access_token"]


def test_a_wrong_secret_is_refused(web, metadata):
    app = OAuth2Session(web["client_id"], "wrong")
    with pytest.raises(OAuthError, match="invalid_client"):
        app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
