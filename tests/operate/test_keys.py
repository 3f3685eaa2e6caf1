"""`make set-key` and `make rotate-key`: what reaches the secret, what the vendor is asked, and what is printed."""

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.parameters import secret
from local.twins import twins
from local.twins.twin import Fault
from tests.operate.conftest import Operate
from tests.vendors import ROOT, VENDORS

if TYPE_CHECKING:
    from local.bundle import Bundle

ASKED = set(twins())
"""The vendors that a key can be tested at."""


def held(vendor: str, stage: str = "AWSCURRENT") -> Any:
    """The secret's value, None if it has none."""
    secrets = boto3.client("secretsmanager")
    try:
        return json.loads(
            secrets.get_secret_value(SecretId=f"avatar-mint/{vendor}", VersionStage=stage)["SecretString"]
        )
    except secrets.exceptions.ResourceNotFoundException:
        return None


def values(key: Any) -> list[str]:
    """Every value in a secret that must not be printed."""
    if isinstance(key, dict):
        return [value for name, member in key.items() if name not in {"role", "expires_at"} for value in values(member)]
    return [str(key)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_is_tested_where_that_is_harmless_and_put_without_being_printed(operate: Operate, vendor: str) -> None:
    done = operate("set-key", vendor, stdin=json.dumps(secret(vendor)))
    assert (done.code, done.err) == (0, "")
    said = f"tested: {vendor} accepts the key" if vendor in ASKED else f"not tested: {vendor} has no harmless call"
    assert done.out.splitlines()[0] == said
    assert done.out.splitlines()[1].startswith(f"Written to avatar-mint/{vendor}. ")
    assert values(held(vendor)) == values(secret(vendor))
    assert not [value for value in values(secret(vendor)) if value in done.out]


@pytest.mark.parametrize("vendor", sorted(ASKED))
def test_a_key_that_the_vendor_rejects_is_not_written(operate: Operate, vendor: str) -> None:
    bad = json.loads(json.dumps(secret(vendor)).replace("local", "wrong"))
    done = operate("set-key", vendor, stdin=json.dumps(bad))
    assert (done.code, done.out) == (1, "")
    assert f"set-key: {vendor} rejects this key with status 401. Nothing is written." in done.err
    assert done.err.count("\n") == 1
    assert not [value for value in values(bad) if value in done.err]
    assert held(vendor) is None


def test_a_test_takes_no_slot(operate: Operate, bundle: "Bundle", table: Any) -> None:
    operate("set-key", "odyssey", stdin=json.dumps(secret("odyssey")))
    assert [call.path for call in bundle.twins["odyssey"].calls] == ["/auth/token"]
    assert table.scan()["Items"] == []


def test_a_vendor_that_cannot_be_reached_leaves_the_secret_alone(operate: Operate, bundle: "Bundle") -> None:
    bundle.twins["convai"].fault(Fault(mode="drop"))
    done = operate("set-key", "convai", stdin=json.dumps(secret("convai")))
    untested = operate("set-key", "convai", "--no-test", stdin=json.dumps(secret("convai")))
    assert done.code == 1
    assert "The test at convai failed (vendor_unavailable)" in done.err
    assert "ARGS=--no-test" in done.err
    assert (untested.code, untested.out.splitlines()[0]) == (0, "not tested: convai was not asked (--no-test)")


@pytest.mark.parametrize(
    ("vendor", "sent", "said"),
    [
        ("convai", "", "Standard input is not JSON"),
        ("convai", "sk-secret", "Standard input is not JSON"),
        ("convai", '"sk-secret"', "Expected `object`, got `str`"),
        ("convai", '{"key": "sk-secret"}', "missing required field `api_key`"),
        ("convai", '{"api_key": "sk-secret with spaces"}', "`$.api_key`"),
        ("livekit", '{"api_key": "k", "api_secret": "sk-secret"}', "`$.api_secret`"),
        ("agora", '{"app_id": "sk-secret", "app_certificate": "sk-secret"}', "`$.app_id`"),
        ("spatialgen", "{}", "There is no key in it"),
        ("spatialgen", '{"readonly": {"key": "sk-secret"}}', "missing required field `expires_at`"),
        ("spatialgen", '{"readonly": {"key": "sk-secret", "expires_at": "tomorrow"}}', "`$.readonly.expires_at`"),
    ],
)
def test_a_key_of_the_wrong_shape_is_refused_with_the_right_one(
    operate: Operate, vendor: str, sent: str, said: str
) -> None:
    done = operate("set-key", vendor, stdin=sent)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert "Expected: {" in done.err
    assert done.err.count("\n") == 1
    assert "sk-secret" not in done.err
    assert held(vendor) is None


def test_a_rotation_says_when_the_old_key_may_go_and_can_be_taken_back(operate: Operate, bundle: "Bundle") -> None:
    twin = bundle.twins["convai"]
    operate("set-key", "convai", stdin=json.dumps(secret("convai")))
    new = {"api_key": twin.issue_key(twin.local_key)}
    done = operate("rotate-key", "convai", stdin=json.dumps(new))
    assert "No function uses the old key any more after 20" in done.out
    assert "Then revoke the old key at the vendor." in done.out
    assert (held("convai"), held("convai", "AWSPREVIOUS")) == (new, secret("convai"))
    back = operate("rotate-key", "convai", "--back")
    assert back.code == 0
    assert (held("convai"), held("convai", "AWSPREVIOUS")) == (secret("convai"), new)
    assert new["api_key"] not in done.out + back.out


def test_a_rotation_of_one_of_two_keys_keeps_the_other(operate: Operate, bundle: "Bundle") -> None:
    twin = bundle.twins["spatialgen"]
    both = secret("spatialgen")
    operate("set-key", "spatialgen", stdin=json.dumps(both))
    readonly = both["readonly"] | {"key": "spatialgen-local-another"}
    twin.keys[readonly["key"]] = twin.keys[both["readonly"]["key"]]
    assert operate("rotate-key", "spatialgen", stdin=json.dumps({"readonly": readonly})).code == 0
    assert held("spatialgen")["readonly"]["key"] == readonly["key"]
    assert held("spatialgen")["upload"] == both["upload"]


@pytest.mark.parametrize("arguments", [[], ["--back"]])
def test_a_secret_without_a_key_cannot_be_rotated(operate: Operate, arguments: list[str]) -> None:
    done = operate("rotate-key", "convai", *arguments, stdin=json.dumps(secret("convai")))
    assert done.code == 1
    assert done.err == (
        "rotate-key: avatar-mint/convai has no key yet. Set one: make set-key VENDOR=convai STAGE=default\n"
    )


def test_a_first_key_has_no_previous_one(operate: Operate) -> None:
    operate("set-key", "convai", stdin=json.dumps(secret("convai")))
    assert "avatar-mint/convai has no previous key" in operate("rotate-key", "convai", "--back").err


def typed(vendor: str, *lines: str) -> str:
    """What a terminal shows when an operator types these lines."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/layers/minting"}
    command = [sys.executable, "-m", "tools.operate", "set-key", vendor]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **streams) as process:  # type: ignore[call-overload] # noqa: S603
        os.close(theirs)
        shown = b""
        for line in lines:
            while not shown.endswith(b": "):
                shown += os.read(ours, 1000)
            os.write(ours, f"{line}\n".encode())
            shown += os.read(ours, 1)
        while block := _rest(ours):
            shown += block
        assert process.wait() == 0
    os.close(ours)
    return shown.decode()


def _rest(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:  # the program has ended
        return b""


@pytest.mark.parametrize("vendor", ["convai", "agora"])
def test_a_key_that_is_typed_is_not_on_the_screen(vendor: str) -> None:
    shown = typed(vendor, *values(secret(vendor)))
    assert held(vendor) == secret(vendor)
    assert all(f"{name}: " in shown for name in secret(vendor))
    assert not [value for value in values(secret(vendor)) if value in shown]


def test_a_group_that_is_left_empty_is_absent() -> None:
    typed("spatialgen", secret("spatialgen")["readonly"]["key"], secret("spatialgen")["readonly"]["expires_at"], "")
    assert set(held("spatialgen")) - {"upload"} == {"readonly"}
    assert not held("spatialgen").get("upload")
