"""`make token-check` says in one line why a deployment refuses a JWT, or who its caller is."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from local.issuer import Issuer
from tools.token_check import main

NOW = int(time.time())
CONFIG = """
[prod.deploy.parameters]
stack_name = "avatar-mint-prod"
parameter_overrides = "{overrides}"
[bare.deploy.parameters]
stack_name = "bare"
"""
STRICT = "RequiredScope=avatars RequiredClaims=email_verified=true BackendScope=mint:on-behalf"
USER: dict[str, Any] = {"scope": "avatars", "email_verified": True}

type Typed = Callable[..., None]


@pytest.fixture
def refusal(root: Path, issuer: Issuer, typed: Typed) -> Callable[..., str]:
    """What the command ends with for a token. Empty if it is accepted."""

    def check(token: str, *, audience: str = "my-app,other-app", url: str = issuer.url) -> str:
        overrides = f"JwtIssuer={url} JwtAudience={audience} {STRICT}"
        (root / "samconfig.toml").write_text(CONFIG.format(overrides=overrides))
        typed(token)
        try:
            main(["--stage", "prod"], root)
        except SystemExit as end:
            return str(end.code)
        return ""

    return check


def elliptic(issuer: Issuer) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode({"iss": issuer.url}, key, "ES256", {"kid": "x"})


def other_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token("alice", **USER).split(".")
    return f"{head}.{issuer.token('mallory', **USER).split('.')[1]}.{signature}"


def told(**claims: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(**{"sub": "alice"} | USER | claims)


REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "opaque": (lambda _: "opaque", "401: token contains an invalid number of segments"),
    "garbage": (lambda _: "a.b.c", "401: the token is not valid: "),
    "not RSA": (elliptic, "401: signing method ES256 is invalid: API Gateway takes RSA keys only"),
    "an unknown key": (
        lambda issuer: jwt.encode({"iss": issuer.url}, issuer.key, "RS256", {"kid": "gone"}),
        "401: the issuer publishes no RSA key with the token's kid 'gone'",
    ),
    "no kid": (lambda issuer: jwt.encode({"iss": issuer.url}, issuer.key, "RS256"), "the token's kid None"),
    "another signature": (other_claims, "401: the token's signature is not by its key"),
    "a slash": (lambda issuer: issuer.token(iss=f"{issuer.url}/"), "401: the token's iss is not https://"),
    "another aud": (told(aud="x"), "401: the token's aud is not my-app or other-app, but 'x'"),
    "no aud": (told(aud=None), "401: the token's aud is not my-app or other-app, but None"),
    "another client": (told(aud=None, client_id="x"), "401: the token has no aud, and its client_id is not"),
    "an aud that beats the client": (told(aud="x", client_id="my-app"), "401: the token's aud is not"),
    "expired": (told(exp=NOW - 1), "401: the token has expired"),
    "no exp": (told(exp=None), '401: the token is not valid: Token is missing the "exp" claim'),
    "nbf": (told(nbf=NOW + 600), "401: the token is not valid: The token is not yet valid (nbf)"),
    "iat": (told(iat=NOW + 600), "401: the token is not valid: The token is not yet valid (iat)"),
    "no scope": (told(scope="email"), "403: the token has none of the scopes avatars (RequiredScope)"),
    "a guest": (
        told(email_verified=False),
        "403: This deployment requires the claim email_verified=true, not 'false' (RequiredClaims)",
    ),
    "no claim": (told(email_verified=None), "email_verified=true, not a token without it (RequiredClaims)"),
    "no sub": (told(sub=None), "401: the token's sub is missing"),
    "a long sub": (told(sub="s" * 256), "401: the token's sub is not 1 to 255 printable ASCII characters"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_token_has_its_reason_in_one_line(
    refusal: Callable[..., str], issuer: Issuer, make: Callable[[Issuer], str], reason: str
) -> None:
    line = refusal(make(issuer))
    assert line.startswith("refused, ")
    assert reason in line
    assert "\n" not in line


def test_an_issuer_that_cannot_be_reached_is_the_reason(refusal: Callable[..., str], nowhere: str) -> None:
    token = jwt.encode({"iss": nowhere}, "k" * 32, "HS256").partition(".")[2]
    header = jwt.utils.base64url_encode(b'{"alg":"RS256","kid":"1"}').decode()
    assert f"401: {nowhere}/.well-known/openid-configuration cannot be reached" in refusal(
        f"{header}.{token}", url=nowhere
    )


@pytest.mark.parametrize("claims", [{}, {"aud": None, "client_id": "other-app"}, {"aud": ["x", "other-app"]}])
@pytest.mark.parametrize("scheme", ["", "Bearer ", "  "])
def test_a_good_token_says_its_caller_and_its_end(
    refusal: Callable[..., str], issuer: Issuer, capsys: pytest.CaptureFixture[str], claims: dict[str, Any], scheme: str
) -> None:
    assert refusal(scheme + issuer.token("alice", exp=1e12 if claims else NOW + 3600, **USER | claims)) == ""
    line = capsys.readouterr().out
    assert re.match(rf"The caller is sub 'alice' of {issuer.url}\. The token ends at \d{{4}}-", line)


def test_a_backends_token_needs_no_claims_of_a_user(
    refusal: Callable[..., str], issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(issuer.token("lms", scope="avatars mint:on-behalf")) == ""
    assert "It is a backend, which may send Mint-On-Behalf-Of." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stage", "line"), [("bare", "names no JwtAudience or JwtIssuer"), ("test", "samconfig.toml has no stage 'test'")]
)
def test_a_stage_that_does_not_say_who_signs_in_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], stage: str, line: str
) -> None:
    (root / "samconfig.toml").write_text(CONFIG.format(overrides=""))
    with pytest.raises(SystemExit) as end:
        main(["--stage", stage], root)
    assert end.value.code == 2
    assert line in capsys.readouterr().err


def test_without_a_token_it_says_so(root: Path, issuer: Issuer, typed: Typed) -> None:
    overrides = f"JwtIssuer={issuer.url} JwtAudience=a"
    (root / "samconfig.toml").write_text(CONFIG.format(overrides=overrides))
    typed()
    with pytest.raises(SystemExit, match="token-check: no token was given"):
        main(["--stage", "prod"], root)
