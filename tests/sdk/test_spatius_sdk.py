"""PyPI spatius, the vendor's own client: it holds the twin to what it expects, and is let in with what we answer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
import spatius

from local.parameters import secret
from local.twins.twin import Fault

if TYPE_CHECKING:
    from local.bundle import Bundle
    from local.twins.spatius import SpatiusTwin

OURS = {"app_id": "local-app", "avatar_id": "local-avatar", **secret("spatius")}


@pytest.fixture(autouse=True, scope="module")
def _no_telemetry() -> None:
    """The SDK must not report to the vendor."""
    spatius.configure_telemetry("")


@pytest.fixture
def twin(bundle: "Bundle") -> "SpatiusTwin":
    return cast("SpatiusTwin", bundle.twins["spatius"])


@pytest.fixture
def answer(bundle: "Bundle") -> dict[str, Any]:
    """What a signed-in caller gets from us."""
    headers = {"Authorization": f"Bearer {bundle.token('alice')}"}
    url = f"{bundle.url}/v1/spatius/session-tokens"
    answer = requests.post(url, json={"avatarId": "local-avatar"}, headers=headers, timeout=10)
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    return body


def ends(twin: "SpatiusTwin", **changes: Any) -> spatius.AvatarSDKError:
    """What a session ends with that the SDK starts: the twin renders nothing."""
    urls = {"console_endpoint_url": twin.base_url, "ingress_endpoint_url": f"{twin.url}/v2/driveningress"}
    session = spatius.new_avatar_session(**{**urls, **OURS, **changes})

    async def run() -> None:
        async with session:
            pass

    with pytest.raises(spatius.AvatarSDKError) as caught:
        asyncio.run(run())
    return caught.value


@pytest.mark.parametrize("by_query", [False, True], ids=["by headers", "by query, as browsers do"])
def test_the_sdk_gets_a_token_from_the_twin_and_is_let_in_with_it(twin: "SpatiusTwin", by_query: bool) -> None:
    assert ends(twin, use_query_auth=by_query).phase == "websocket_handshake"
    assert [(call.path, call.status) for call in twin.calls] == [
        ("/v1/console/session-tokens", 200),
        ("/v2/driveningress/websocket", 101),
    ]


@pytest.mark.parametrize("errors_in_200", [False, True])
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"api_key": "nobody"}, 401, "UNAUTHORIZED"),
        ({"expire_at": datetime.now(UTC) - timedelta(seconds=5)}, 400, "INVALID_ARGUMENT"),
        ({"expire_at": datetime.now(UTC) + timedelta(hours=25)}, 400, "INVALID_ARGUMENT"),
    ],
    ids=["an unknown key", "a time gone by", "more than a day"],
)
def test_the_sdk_reads_the_twins_refusals(
    twin: "SpatiusTwin", change: dict[str, Any], status: int, code: str, errors_in_200: bool
) -> None:
    twin.errors_in_200 = twin.string_status = errors_in_200
    error = ends(twin, **change)
    assert isinstance(error, spatius.SessionTokenError)
    assert (error.http_status, error.server_code) == (status, code)


def test_the_sdk_reads_our_answer_and_is_let_in_with_its_token(twin: "SpatiusTwin", answer: dict[str, Any]) -> None:
    twin.fault(Fault("/v1/console", times=1, body=answer))  # the SDK mints for itself: here it gets our answer for it
    error = ends(twin, app_id=answer["appId"], avatar_id=answer["avatarId"])
    assert (error.phase, twin.calls[-1].status) == ("websocket_handshake", 101)
    assert twin.calls[-1].headers["x-session-key"] == answer["sessionToken"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"app_id": "another-app"}, 400), ({"avatar_id": "another-avatar"}, 404)],
    ids=["another App ID", "another avatar"],
)
def test_the_sdk_is_refused_with_our_token_for(
    twin: "SpatiusTwin", answer: dict[str, Any], change: dict[str, str], status: int
) -> None:
    twin.fault(Fault("/v1/console", times=1, body=answer))
    error = ends(twin, **change)
    assert (error.phase, error.http_status) == ("websocket_connect", status)
