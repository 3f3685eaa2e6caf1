"""`python -m local`, which is what `make run` runs."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


def start(**variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/minting'}", "PORT": "0", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "local"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is called, so that what it writes there is not in the way of one that a developer runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    nowhere = "http://127.0.0.1:1"
    with start(AWS_PROFILE="absent", HTTP_PROXY=nowhere, http_proxy=nowhere) as process:
        yield process
        process.kill()


def test_sam_local_finds_its_template_as_long_as_it_runs(folder: Path, running: subprocess.Popen[str]) -> None:
    _, banner = ready(running)
    template = folder / ".aws-sam/local.json"
    assert "sam local invoke ConvaiFunction -t .aws-sam/local.json -e events/convai-mint.json" in banner
    convai = json.loads(template.read_text())["Resources"]["ConvaiFunction"]["Properties"]
    told = convai["Environment"]["Variables"]
    assert convai["CodeUri"] == "build/ConvaiFunction"
    assert told["API_KEY_SECRET"].startswith("arn:aws:secretsmanager:us-east-1:")
    assert not any("127.0.0.1" in value for value in told.values())
    assert {"AWS_ENDPOINT_URL", "CONVAI_API_URL", "LIMITS_TABLE"} <= told.keys()
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=10)
    assert not template.exists()


def test_the_start_warns_of_what_the_shell_sets_in_place_of_a_stand_in(running: subprocess.Popen[str]) -> None:
    _, usual = ready(running)
    with start(CONVAI_API_KEY="from-the-shell", ODYSSEY_API_URL="http://127.0.0.1:1") as process:
        _, banner = ready(process)
        process.kill()
    key, url = [line for line in banner.splitlines() if line.startswith("WARNING")]
    assert "WARNING" not in usual
    assert "CONVAI_API_KEY is set, so convai calls the real vendor, and a mint may cost money." in key
    assert "ODYSSEY_API_URL is set, so odyssey calls http://127.0.0.1:1." in url
    assert "env -u ODYSSEY_API_URL make run" in url
    assert "from-the-shell" not in banner


def ready(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The URL of the line `ready URL`, and what was printed before it."""
    assert process.stdout
    before = ""
    for line in process.stdout:
        if found := re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)\n", line):
            return found[1], before
        before += line
    pytest.fail("it never got ready")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_mints_when_it_says_ready_and_ends_quietly(ending: signal.Signals, running: subprocess.Popen[str]) -> None:
    url, banner = ready(running)
    assert f"curl {url}/v1/convai/tokens" in banner
    token = requests.post(f"{url}/_local/token", json={"sub": "alice"}, timeout=5).json()["token"]
    answer = requests.post(f"{url}/v1/convai/tokens", json={}, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert (answer.status_code, answer.json()["mint"]["vendor"]) == (201, "convai")
    running.send_signal(ending)
    _, errors = running.communicate(timeout=10)
    assert (running.returncode, errors) == (0, "")


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, start(PORT=str(taken.getsockname()[1])) as process:
        printed, errors = process.communicate(timeout=10)
    assert (process.returncode, printed) == (1, "")
    assert re.fullmatch(r"local: cannot listen on 127\.0\.0\.1:\d+: Address already in use; .*\n", errors)


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "192.0.2.1"])  # 192.0.2.0/24 is nobody's (RFC 5737)
def test_a_host_that_is_no_name_or_address_of_this_machine_is_one_line(host: str) -> None:
    with start(HOST=host) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert re.fullmatch(rf"local: HOST={host} is no name or address of this machine; .*\n", errors)


def test_an_aws_endpoint_without_a_scheme_is_one_line() -> None:
    with start(AWS_ENDPOINT_URL="localhost:4566") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert re.fullmatch(r"local: AWS_ENDPOINT_URL=localhost:4566 must start with http:// or https://; .*\n", errors)


def test_a_dead_aws_endpoint_is_one_line() -> None:
    with start(AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"local: nothing answers at AWS_ENDPOINT_URL=http://127\.0\.0\.1:1; .*\n", errors)


def test_a_request_is_one_line_and_its_record_only_with_verbose(running: subprocess.Popen[str]) -> None:
    url, _ = ready(running)
    requests.post(f"{url}/v1/convai/tokens", json={}, timeout=5)
    assert running.stdout
    assert re.fullmatch(r"\d\d:\d\d:\d\d +- +POST /v1/convai/tokens +401 .*\n", running.stdout.readline())


@pytest.mark.parametrize("port", ["http", "-1", "65536", "3000x", "²"])
def test_a_port_that_is_none_is_one_line(port: str) -> None:
    with start(PORT=port) as process:
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (1, f"local: PORT must be a number from 0 to 65535, not {port!r}\n")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("LIVEKIT_URL", "http://livekit.example", "LIVEKIT_URL"),
        ("CONVAI_API_URL", "localhost:8080", "'localhost:8080'"),
        ("SPATIUS_CONSOLE_ENDPOINT", "spatius.example", "'spatius.example'"),
    ],
)
def test_a_setting_that_no_function_takes_is_one_line_that_names_it(name: str, value: str, named: str) -> None:
    with start(**{name: value}) as process:
        try:
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 1
    assert re.fullmatch(rf"local: cannot start: .*{named}.*\n", errors)
