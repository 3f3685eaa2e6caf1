"""Whatever keeps a command from its work is said in one line, and nothing secret is in it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from local.server import Server
from tests.operate.conftest import Operate
from tests.vendors import ROOT

COMMANDS = [
    *(["set-key", "convai"], ["rotate-key", "convai"], ["rotate-key", "convai", "--back"], ["stop", "convai"]),
    *(["resume", "convai"], ["block", "--iss", "i", "--sub", "s"], ["unblock", "--iss", "i", "--sub", "s"]),
    *(["who-got", "0" * 64], ["smoke"], ["status"]),
]
KEY = "a-secret-key"
STDIN = f'{{"api_key": "{KEY}"}}'
EVERY = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture
def refusing() -> Iterator[Server]:
    """An AWS that refuses each call with the code in `refusing.code`, in the form of CloudFormation's errors."""
    server = Server("127.0.0.1")
    server.code = "ExpiredToken"  # type: ignore[attr-defined]

    @Request.application
    def refuse(_: Request) -> Response:
        code = server.code  # type: ignore[attr-defined]
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>Not now.</Message></Error></ErrorResponse>"
        return Response(body, HTTPStatus.FORBIDDEN, content_type="text/xml")

    server.start(refuse)
    yield server
    server.stop()


def one_line(operate: Operate, command: list[str]) -> str:
    """What a command that fails says."""
    done = operate(*command, stdin=STDIN)
    assert done.code == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert KEY not in done.err
    return done.err


@EVERY
def test_a_missing_stack_is_said(operate: Operate, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    said = one_line(operate, command)
    assert "There is no stack avatar-mint" in said
    assert "sam deploy --config-env default" in said


def test_a_stage_that_does_not_exist_is_named_with_what_to_do(operate: Operate) -> None:
    assert "samconfig.toml has no stage 'nowhere'" in one_line(operate, ["status", "--stage", "nowhere"])


@EVERY
def test_a_lost_network_is_said(operate: Operate, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "AWS cannot be reached: Could not connect to the endpoint URL" in one_line(operate, command)


@EVERY
def test_expired_credentials_are_said(
    operate: Operate, monkeypatch: pytest.MonkeyPatch, refusing: Server, command: list[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing.url)
    assert "The AWS credentials have expired. Sign in to AWS" in one_line(operate, command)


@EVERY
def test_missing_rights_are_said(
    operate: Operate, monkeypatch: pytest.MonkeyPatch, refusing: Server, command: list[str]
) -> None:
    refusing.code = "AccessDenied"  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing.url)
    assert "These AWS credentials lack the right for" in one_line(operate, command)


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "Throttling"])
def test_another_refusal_of_aws_is_said_with_its_code(
    operate: Operate, monkeypatch: pytest.MonkeyPatch, refusing: Server, code: str
) -> None:
    refusing.code = code  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing.url)
    assert f"({code})" in one_line(operate, ["status"])


def test_missing_credentials_are_said(operate: Operate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "There are no AWS credentials: Unable to locate credentials. Sign in to AWS" in one_line(operate, ["status"])


def test_an_unknown_profile_is_said(operate: Operate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "The config profile (nobody) could not be found" in one_line(operate, ["status"])


def test_a_missing_region_is_said(operate: Operate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert "No AWS region is chosen. Set AWS_DEFAULT_REGION" in one_line(operate, ["status"])


@pytest.mark.parametrize(
    "words", [["set-key", "convai", KEY], ["set-key", KEY], ["who-got", "0", KEY], [KEY], ["status", f"--key={KEY}"]]
)
def test_a_key_on_the_command_line_is_not_repeated(operate: Operate, words: list[str]) -> None:
    done = operate(*words)
    assert done.code == 2
    assert KEY not in done.out + done.err


def test_ctrl_c_ends_a_command_without_a_traceback() -> None:
    """The command waits for JSON on standard input."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/layers/minting"}
    command = [sys.executable, "-c", STOPPED]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr == "set-key: Stopped before the end. Run `make status` to see what is in force.\n"


STOPPED = """
import signal, sys
from tools.operate.__main__ import main

class Waiting:
    def isatty(self): return False
    def read(self): signal.raise_signal(signal.SIGINT)

sys.stdin = Waiting()
sys.exit(main(["set-key", "convai"]))
"""
