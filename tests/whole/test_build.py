"""What `make build` made, as Lambda will run it: size, bytecode, both architectures, and an answer to every sample event."""

import filecmp
import importlib.util
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest
import requests

from local.bundle import Bundle
from tools.sam_local import expected

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".aws-sam/build"
LAYER = BUILD / "MintingLayer/python"
FUNCTIONS = {folder.name.removesuffix("Function").lower(): folder for folder in BUILD.glob("*Function")}
EVENTS = sorted((ROOT / "events").glob("*.json"))

CARRIED = ("aws_lambda_powertools", "certifi", "minting", "msgspec", "urllib3")
LEFT_TO_LAMBDA = (
    "awslambdaric",
    "snapshot-restore-py",
    "simplejson",
    "boto3",
    "botocore",
    "s3transfer",
    "python-dateutil",
    "six",
)

PYTHON = [sys.executable, "-S"]  # without site-packages: a library that the layer lacks is not found elsewhere
RAPID = ROOT / ".venv-sam/lib/python3.13/site-packages/samcli/local/rapid"
EMULATOR = RAPID / f"aws-lambda-rie-{platform.machine().replace('aarch64', 'arm64')}"

UNCHECKED_HASH = 0b01
"""PEP 552: Python takes the bytecode for its source's without comparing anything."""


@pytest.fixture(autouse=True, scope="module")
def _built() -> None:
    assert LAYER.is_dir(), "nothing is built: run `make build` first"


def test_the_layer_is_small_and_leaves_boto3_to_lambda() -> None:
    assert sum(path.stat().st_size for path in LAYER.rglob("*") if path.is_file()) < 15_000_000
    assert not {"boto3", "botocore", "s3transfer", "bin"} & {path.name for path in LAYER.iterdir()}


def test_nothing_of_the_local_stack_is_deployed() -> None:
    built = [path for folder in (LAYER, *FUNCTIONS.values()) for path in folder.rglob("*") if path.is_file()]
    own = {path.name for path in (ROOT / "local/playground").iterdir()}
    assert not [path for path in built if path.name in own or "local" in path.relative_to(BUILD).parts]
    ours = [path for path in built if path.suffix in {".py", ".json"}]
    assert ours
    assert not [path for path in ours if b"/_local" in path.read_bytes()]


def test_the_build_is_of_the_present_source() -> None:
    pairs = [(ROOT / "layers/minting/minting", LAYER / "minting")]
    pairs += [(ROOT / "functions" / vendor, folder / vendor) for vendor, folder in FUNCTIONS.items()]
    for source, built in pairs:
        names = [str(module.relative_to(source)) for module in source.rglob("*.py")]
        _, changed, absent = filecmp.cmpfiles(source, built, names, shallow=False)
        assert not changed + absent, "run `make build` again"


def test_one_layer_serves_both_architectures() -> None:
    modules = {str(path.relative_to(LAYER)) for path in LAYER.rglob("*.so")}
    intel = {name for name in modules if name.endswith(".cpython-313-x86_64-linux-gnu.so")}
    assert intel
    assert modules - intel == {name.replace("x86_64", "aarch64") for name in intel}


@pytest.mark.parametrize("folder", [LAYER, *FUNCTIONS.values()], ids=lambda folder: folder.relative_to(BUILD).parts[0])
def test_every_module_has_bytecode_that_lambda_takes_as_it_is(folder: Path) -> None:
    modules = list(folder.rglob("*.py"))
    assert modules
    for module in modules:
        header = Path(importlib.util.cache_from_source(str(module), optimization="")).read_bytes()[:8]
        assert struct.unpack("<4sI", header) == (importlib.util.MAGIC_NUMBER, UNCHECKED_HASH), module


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that finds what the layer carries, then what Lambda's own has, and nothing else of ours."""
    runtime = tmp_path_factory.mktemp("runtime")
    for name in LEFT_TO_LAMBDA:
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
            (runtime / top).symlink_to(str(installed.locate_file(top)))
    return {"PYTHONPATH": f"{LAYER}:{runtime}", "PYTHONDONTWRITEBYTECODE": "1"}


def test_libraries_come_from_the_layer_and_boto3_from_lambda(lambdas: dict[str, str]) -> None:
    ask = f"import boto3, {', '.join(CARRIED)}; print(*(module.__file__ for module in (boto3, {', '.join(CARRIED)})))"
    boto3, *carried = subprocess.check_output([*PYTHON, "-c", ask], env=lambdas, text=True).split()  # noqa: S603
    assert not Path(boto3).is_relative_to(LAYER)
    assert all(Path(file).is_relative_to(LAYER) for file in carried)


@pytest.fixture(scope="module")
def bundle() -> Iterator[Bundle]:
    with Bundle() as running:
        yield running


@pytest.mark.skipif(not EMULATOR.exists(), reason=f"the SAM CLI has no {EMULATOR.name} for this machine")
@pytest.mark.parametrize("event", EVENTS, ids=lambda path: path.stem)
def test_a_built_function_answers_its_event_in_lambdas_runtime(
    event: Path, bundle: Bundle, lambdas: dict[str, str]
) -> None:
    vendor = event.stem.partition("-")[0]
    with emulated(FUNCTIONS[vendor], f"{vendor}.app.handler", lambdas | bundle.environment(vendor)) as invocations:
        reply = requests.post(invocations, data=event.read_bytes(), timeout=30).json()
    assert reply.get("statusCode") in expected(event), reply


@contextmanager
def emulated(function: Path, handler: str, environment: dict[str, str]) -> Iterator[str]:
    """The function in Lambda's runtime interface emulator, at the address where it takes invocations."""
    address, runtime_api = (f"127.0.0.1:{port}" for port in free_ports(2))
    listen = ["--runtime-interface-emulator-address", address, "--runtime-api-address", runtime_api]
    program: list[str | Path] = [EMULATOR, *listen, *PYTHON, "-m", "awslambdaric", handler]
    process = subprocess.Popen(program, cwd=function, env=environment, start_new_session=True)  # noqa: S603
    try:
        wait_for(address)
        yield f"http://{address}/2015-03-31/functions/function/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def wait_for(address: str, seconds: float = 10) -> None:
    host, port = address.split(":")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            return socket.create_connection((host, int(port)), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {address}")
