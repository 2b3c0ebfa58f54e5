"""What the tests of Python clients share: the server under test and a person with a simple browser."""

import json
import os
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import urljoin, urlsplit

import pytest
import requests

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the server under test speaks http on loopback


def needed(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set: run these tests with scripts/test --only clients"
    return value


@pytest.fixture(scope="session")
def demo():
    """Issuer, user and clients of the server that scripts/test started."""
    with open(needed("COUNTERSIGN_DEMO"), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def metadata(demo):
    answer = requests.get(demo["issuer"] + "/.well-known/openid-configuration", timeout=10)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture(scope="session")
def cli():
    """Runs the command line of Countersign on the same database."""

    def run(*args):
        command = [needed("COUNTERSIGN_BIN"), *args, "--output", "json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    return run


@pytest.fixture
def visitor(demo):
    return Visitor(demo["issuer"], demo["user"])


class Visitor:
    """Keeps cookies, follows redirects and fills in the forms of our pages."""

    def __init__(self, issuer, user):
        self.origin = origin(issuer)
        self.user = user
        self.browser = requests.Session()

    def authorize(self, url):
        """The address at which the provider leads back to the client."""
        method, fields = "GET", None
        for _ in range(20):
            if origin(url) != self.origin:
                return url
            headers = {"origin": self.origin} if method == "POST" else {}
            answer = self.browser.request(
                method, url, data=fields, headers=headers, allow_redirects=False, timeout=10
            )
            if answer.status_code in (302, 303):
                method, url, fields = "GET", urljoin(url, answer.headers["location"]), None
                continue
            page = Page(answer.text)
            method, url, fields = "POST", urljoin(url, page.action), page.fields
            if page.id == "sign-in":
                fields |= {"username": self.user["username"], "password": self.user["password"]}
            elif page.id == "consent":
                fields["decision"] = "approve"
        raise AssertionError(f"no end in sight at {url}")


def origin(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Page(HTMLParser):
    """The form of a page: where it posts and its hidden fields."""

    def __init__(self, html):
        super().__init__()
        self.id, self.action, self.fields, self.text = None, None, {}, ""
        self.feed(html)
        assert self.action, f"no form on the page {self.id}: {self.text.split()}"

    def handle_starttag(self, tag, attrs):
        found = SimpleNamespace(**{"id": None, "type": None, "value": ""} | dict(attrs))
        if tag == "main":
            self.id = found.id
        elif tag == "form":
            self.action = found.action
        elif tag == "input" and found.type == "hidden":
            self.fields[found.name] = found.value

    def handle_data(self, data):
        self.text += data
