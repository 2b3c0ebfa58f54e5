"""The administration API, attacked with what schemathesis makes of its own description."""

import json

import pytest
import requests
import schemathesis
from conftest import needed
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

# Not "positive_data_acceptance": what is well-formed can still be no password that may be chosen. Not
# "missing_required_header": it knows no 428 (RFC 6585 section 3), which our own tests ask for.
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def token(demo, cli):
    """An access token of a service that may do everything."""
    audience = demo["issuer"] + "/api/admin"
    made = cli("client", "create", "--service", "--name", "Schemathesis", "--scope", "*", "--resource", audience)
    answer = requests.post(
        demo["issuer"] + "/oauth2/token",
        auth=(made["client_id"], made["client_secret"]),
        data={"grant_type": "client_credentials", "scope": "*", "resource": audience},
        timeout=10,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


def described():
    """The description; read when tests are collected, because each operation becomes a test."""
    with open(needed("COUNTERSIGN_DEMO"), encoding="utf-8") as file:
        issuer = json.load(file)["issuer"]
    loaded = schemathesis.openapi.from_url(issuer + "/api/openapi.json")
    # The caller would stop itself: it finds its own identifier in the list.
    return loaded.exclude(method="POST", path="/api/admin/clients/{id}/disable").exclude(
        method="DELETE", path="/api/admin/clients/{id}"
    )


schema = described()


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_gets_an_answer_that_is_not_described(case, token):
    case.call_and_validate(headers={"Authorization": "Bearer " + token}, checks=CHECKS)


def test_the_token_is_still_good_afterwards(demo, token):
    answer = requests.get(
        demo["issuer"] + "/api/admin/users", headers={"Authorization": "Bearer " + token}, timeout=10
    )
    assert answer.status_code == 200, answer.text
