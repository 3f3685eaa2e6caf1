"""The signature of a request to AWS is the one that botocore makes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from minting.signing import Credentials, Signer

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
headers = st.dictionaries(
    st.from_regex(r"x-amz-[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
        lambda name: name not in {"x-amz-date", "x-amz-security-token"}
    ),
    visible,
)
paths = st.lists(st.text("abcXYZ019-._~!$&()*+,;=:@ é%", min_size=1).filter(lambda part: part not in {".", ".."})).map(
    lambda parts: "/" + "".join(f"{part}/" for part in parts)
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


class Asked(NamedTuple):
    """What is signed."""

    url: str
    headers: dict[str, str]
    body: bytes
    at: datetime


hosts = st.sampled_from(["https://dynamodb.eu-central-1.amazonaws.com", "http://127.0.0.1:5000"])
urls = st.tuples(hosts, paths).map("".join)


def by_botocore(credentials: Credentials, asked: Asked) -> dict[str, str]:
    request = AWSRequest("POST", asked.url, headers=asked.headers, data=asked.body)
    with patch("botocore.auth.get_current_datetime", lambda: asked.at.replace(tzinfo=None)):
        SigV4Auth(BotocoreCredentials(*credentials), "dynamodb", "eu-central-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    st.builds(Credentials, visible, visible, st.just("") | visible),
    st.builds(Asked, urls, headers, st.binary(), moments),
)
def test_any_request_is_signed_as_botocore_signs_it(credentials: Credentials, asked: Asked) -> None:
    ours = Signer(credentials, "eu-central-1", "dynamodb").headers(*asked)
    del ours["host"]  # botocore signs it too, and leaves it to the HTTP library to send it
    assert ours == by_botocore(credentials, asked)


def test_the_key_of_a_day_signs_no_request_of_the_next() -> None:
    signer = Signer(Credentials("AKIDEXAMPLE", "secret", ""), "us-east-1", "dynamodb")
    for at in (datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC)):
        signed = signer.headers("https://dynamodb.us-east-1.amazonaws.com/", {}, b"{}", at)
        assert f"Credential=AKIDEXAMPLE/{at:%Y%m%d}/us-east-1/dynamodb/aws4_request" in signed["authorization"]


@pytest.mark.parametrize("text", [repr, str, "{}".format, lambda value: f"{[value]}"])
def test_credentials_show_themselves_in_no_text(text: Callable[[object], str]) -> None:
    assert "secret" not in text(Credentials("AKIDEXAMPLE", "secret", "secret"))
