"""The table of routes (README, "Call it"), row by row: asked over HTTP, through the gateway, with a caller's own JWT."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests

from tests.functions.contract import MINT
from tests.vendors import VENDORS

if TYPE_CHECKING:
    from local.bundle import Bundle

PUBLIC = {"spatius_app_id", "spatius_avatar_id"}
"""What the local deployment adds to LiveKit's answers."""

UPLOAD = {
    "videoName": "A film",
    "layout": "2D",
    "folderName": "Home",
    "files": [{"fileName": "film.mp4", "fileRole": "video", "sizeBytes": 1000}],
}

type Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(bundle: "Bundle") -> Ask:
    """`ask("POST /v1/...", body, sub=...)`: one caller's request, answered by the deployed function."""
    nobody_else = uuid4().hex

    def send(route: str, body: Any = None, sub: str = nobody_else) -> requests.Response:
        method, path = route.split()
        headers = {"Authorization": f"Bearer {bundle.token(sub)}"}
        answer = requests.request(method, bundle.url + path, json=body, headers=headers, timeout=30)
        assert answer.headers["cache-control"] == "no-store"
        return answer

    return send


def minted(answer: requests.Response, *fields: str, status: int = 201) -> dict[str, Any]:
    """The vendor's fields: exactly these, beside `mint`."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body.pop("mint").keys() == MINT
    assert body.keys() == set(fields)
    return body


def test_post_spatius_session_tokens(ask: Ask) -> None:
    answer = ask("POST /v1/spatius/session-tokens", {"avatarId": "local-avatar"})
    assert minted(answer, "sessionToken", "appId", "avatarId", "region")["region"] == "us-west"
    minted(ask("POST /v1/spatius/session-tokens", {}), "sessionToken", "appId", "region")


def test_post_odyssey_client_credentials(ask: Ask) -> None:
    fields = ("session_id", "signaling_url", "session_token", "expires_in", "capabilities")
    minted(ask("POST /v1/odyssey/client-credentials", {}), *fields)


def test_post_odyssey_client_credentials_release_for_the_caller_that_minted_alone(ask: Ask) -> None:
    release, route = "POST /v1/odyssey/client-credentials/release", "POST /v1/odyssey/client-credentials"
    session = {"session_id": ask(route, {}, sub="leaver").json()["session_id"]}
    assert ask(release, session, sub="another").status_code == 404
    assert [ask(release, session, sub="leaver").status_code for _ in range(2)] == [204, 204]
    assert ask(route, {}, sub="leaver").json()["session_id"] != session["session_id"]


def test_post_get_and_delete_odyssey_broadcasts(ask: Ask) -> None:
    left = {"webrtc_url": "https://a.odyssey.ml/b", "spectator_token": "t", "hls_url": "https://a.odyssey.ml/b.m3u8"}
    registered = ask("POST /v1/odyssey/broadcasts", left)
    assert (registered.status_code, registered.json().keys()) == (201, {"id", "expires_at"})
    broadcast = f"/v1/odyssey/broadcasts/{registered.json()['id']}"
    assert minted(ask(f"GET {broadcast}", sub="a-viewer"), *left, status=200) == left
    assert ask(f"DELETE {broadcast}", sub="a-viewer").status_code == 404
    assert ask(f"DELETE {broadcast}").status_code == 204
    assert ask(f"GET {broadcast}", sub="a-viewer").json()["code"] == "not_found"


def test_post_spatialgen_keys(ask: Ask) -> None:
    assert minted(ask("POST /v1/spatialgen/keys", {}), "key", "role", "expires_at")["role"] == "readonly"


def test_post_spatialgen_uploads_part_urls_complete_and_cancel(ask: Ask) -> None:
    started = ask("POST /v1/spatialgen/uploads", UPLOAD)
    assert started.status_code == 201
    upload = f"/v1/spatialgen/uploads/{started.json()['uploadSessionId']}"
    file = f"{upload}/files/{started.json()['files'][0]['uploadId']}"
    signed = ask(f"POST {file}/part-urls", {"partNumbers": [1]})
    assert (signed.status_code, signed.json()["mint"].keys()) == (200, MINT)
    part = signed.json()["parts"][0]
    assert requests.put(part["url"], data=bytes(part["sizeBytes"]), timeout=30).status_code == 200
    assert ask(f"POST {file}/complete", {}).status_code == 200
    for way in ("DELETE {}", "POST {}/cancel"):
        other = f"/v1/spatialgen/uploads/{ask('POST /v1/spatialgen/uploads', UPLOAD).json()['uploadSessionId']}"
        assert ask(way.format(other)).status_code == 204


def test_get_spatialgen_videos_and_streams_and_post_widevine_licenses(ask: Ask) -> None:
    videos = ask("GET /v1/spatialgen/videos?folderName=Home")
    assert videos.status_code == 200
    library = videos.json()["videos"][0]["library"]
    assert ask(f"GET /v1/spatialgen/videos/{library['id']}/streams").json()["library"] == library
    challenge = {"key_id": str(uuid4()), "license_challenge": "AAAA"}
    licensed = ask("POST /v1/spatialgen/licenses/widevine", challenge)
    assert (licensed.status_code, licensed.json().keys()) == (200, {"license"})


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_post_and_get_convai_tokens(ask: Ask, method: str) -> None:
    minted(ask(f"{method} /v1/convai/tokens"), "apiAuthToken", "expirationTime")


def test_post_convai_tokens_extend_and_revoke_for_the_caller_that_minted_alone(ask: Ask) -> None:
    token = {"apiAuthToken": ask("POST /v1/convai/tokens").json()["apiAuthToken"]}
    for action, status in (("extend", 200), ("revoke", 204)):
        assert ask(f"POST /v1/convai/tokens/{action}", token, sub="another").status_code == 404
        assert ask(f"POST /v1/convai/tokens/{action}", token).status_code == status


def test_post_trulience_tokens(ask: Ask) -> None:
    asked = {"avatar_id": "4386676996480451678"}
    minted(ask("POST /v1/trulience/tokens", asked), "jwt", "expires_in", "avatar_id")


def test_post_livekit_tokens(ask: Ask) -> None:
    fields = ("server_url", "participant_token", "room_name", *PUBLIC)
    minted(ask("POST /v1/livekit/tokens", {"room_name": "lobby"}), *fields)


def test_post_agora_tokens(ask: Ask) -> None:
    asked = {"channel": "lobby", "role": "publisher"}
    public = ("spatius_app_id", "spatius_avatar_id", "region", "agentUid")
    body = minted(ask("POST /v1/agora/tokens", asked), "appId", "channel", "uid", "token", *public)
    assert body["channel"] == "lobby"


def test_get_vendors(ask: Ask) -> None:
    assert [offer["vendor"] for offer in ask("GET /v1/vendors").json()["vendors"]] == VENDORS


def test_every_other_vendors_revoke_says_why_not(ask: Ask) -> None:
    tokens = {
        "/v1/spatius/session-tokens": "sessionToken",
        "/v1/odyssey/client-credentials": "session_token",
        "/v1/spatialgen/keys": "key",
        "/v1/trulience/tokens": "jwt",
        "/v1/livekit/tokens": "participant_token",
        "/v1/agora/tokens": "token",
    }
    told = [ask(f"POST {route}/revoke", {field: "t"}).json() for route, field in tokens.items()]
    assert [problem["code"] for problem in told] == ["not_revocable"] * len(tokens)
