"""What `make configure` knows of an issuer agrees with the template, and with docs/sign-in.md."""

import re

import pytest

from local.template import read
from tests.vendors import ROOT
from tools.configure.issuers import ISSUERS, known
from tools.configure.rules import Rules

NAMED = {key: issuer for key, issuer in ISSUERS.items() if issuer.forms}
URLS = {
    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI": "cognito",
    "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI": "cognito",
    "https://securetoken.google.com/my-project": "firebase",
    "https://my-team.eu.auth0.com/": "auth0",
    "https://clerk.example.com": "clerk",
    "https://x.clerk.accounts.dev": "clerk",
    "https://login.microsoftonline.com/0f4be77c-7b4c/v2.0": "entra",
    "https://sts.windows.net/0f4be77c-7b4c/": "entra",
    "https://abc.supabase.co/auth/v1": "supabase",
    "https://id.example.com": "other",
    "https://cognito-idp.example.com/x": "other",
    "": "",
}


@pytest.mark.parametrize(("url", "key"), URLS.items())
def test_an_issuer_is_known_by_its_url(url: str, key: str) -> None:
    assert known(url) == key


@pytest.mark.parametrize("key", NAMED)
def test_the_template_accepts_what_an_issuers_forms_make(key: str) -> None:
    issuer, rules = NAMED[key], Rules(read(ROOT / "template.yaml"))
    for form in issuer.forms:
        url = form.format(**dict.fromkeys(issuer.asks, "eu-west-1"))
        rules.check("JwtIssuer", url)
        rules.check("JwtAudience", issuer.usual_audience(url) or "app")
    rules.check("RequiredClaims", issuer.claims)


@pytest.mark.parametrize(
    ("url", "audience"), [("https://securetoken.google.com/p-1", "p-1"), ("https://a.example", "")]
)
def test_firebases_audience_is_its_project(url: str, audience: str) -> None:
    assert ISSUERS["firebase"].usual_audience(url) == audience


@pytest.mark.parametrize("key", NAMED)
def test_the_page_shows_each_form_and_the_claims_against_guests(key: str) -> None:
    page = re.sub(r"<[^>]+>", "<>", (ROOT / "docs/sign-in.md").read_text())
    issuer = NAMED[key]
    forms = [re.sub(r"\{\w+\}", "<>", form) for form in issuer.forms]
    shown = {"https://<>/": "https://<>.auth0.com/", "https://<>": "https://clerk.<>"}
    assert [form for form in forms if f"`{shown.get(form, form)}`" not in page] == []
    assert not issuer.claims or f"`{issuer.claims}`" in page
