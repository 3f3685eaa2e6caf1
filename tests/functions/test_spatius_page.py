"""docs/vendors/spatius.md: its commands, run in their order against the local bundle."""

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.vendors import ROOT

if TYPE_CHECKING:
    from local.bundle import Bundle

PAGE = ROOT / "docs/vendors/spatius.md"


@pytest.fixture
def answers(bundle: "Bundle") -> list[dict[str, Any]]:
    """What the page's commands print, one answer a line."""
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    script = commands.replace("localhost:3000", bundle.url.removeprefix("http://"))
    command = ["bash", "-euo", "pipefail", "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own page
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines() if line]


def test_the_commands_of_the_page_give_each_path_what_its_client_needs(answers: list[dict[str, Any]]) -> None:
    direct, livekit, agent, avatar, backend = answers
    assert (direct["appId"], direct["avatarId"], direct["mint"]["single_use"]) == ("local-app", "local-avatar", True)
    assert (livekit["spatius_app_id"], livekit["spatius_avatar_id"]) == ("local-app", "local-avatar")
    assert livekit["participant_token"]
    assert (agent["uid"], avatar["uid"], agent["channel"] == avatar["channel"]) == (1001, 1002, True)
    assert (agent["agentUid"], agent["spatius_app_id"], agent["region"]) == (1001, "local-app", "us-west")
    [spatius] = [vendor for vendor in backend["vendors"] if vendor["vendor"] == "spatius"]
    assert spatius["public"] == {"appId": "local-app", "region": "us-west"}
