"""The emulated AWS: a process of its own, on loopback, with the functions under the roles that the template gives them."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3

from tests.deploy.machine import REGION, ROOT, environment

PYTHON = ROOT / ".venv-deploy/bin/python"
LONGEST_START = 60
"""Seconds."""


class Emulator:
    """A context manager. certificate: what the emulator and the functions trust besides certifi's roots."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.log = folder / "emulator.log"
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = environment(folder) | {
            "AUTH": "true",  # every call is held to its role
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "TMPDIR": str(folder),
            "STATE_DIR": str(folder / "state"),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "SSL_CERT_FILE": str(certificate),
            "DEPLOY_CHECK_CERTIFICATE": str(certificate),
            "PYTHONPATH": str(Path(__file__).parent / "emulator/trust"),
        }

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [PYTHON, "-m", "tests.deploy.emulator"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the functions' processes too."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @cache  # noqa: B019 - there is one emulator, and it lives as long as the process
    def client(self, service: str) -> Any:
        """A boto3 client with which the checks see what is there."""
        account = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        return boto3.Session().client(service, endpoint_url=self.url, **account)  # type: ignore[call-overload]

    def _wait(self) -> None:
        ends = time.monotonic() + LONGEST_START
        while time.monotonic() < ends and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2):  # noqa: S310
                return
            time.sleep(0.2)
        self.__exit__()
        raise RuntimeError(f"the emulator did not start: {self.log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
