"""Lambda's Runtime API, as much of it as timing needs: it hands one process its invocations and takes the answers."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple


class Timing(NamedTuple):
    """One process: seconds and CPU seconds from its start to its first answer, CPU seconds for each of the later ones, and
    the most memory that it held, in MB.
    """

    cold: float
    cold_cpu: float
    warm_cpu: float
    peak: float


class Program(NamedTuple):
    """What Lambda starts for a function, and where."""

    command: list[str]
    folder: Path
    environment: dict[str, str]


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        self.server.ready.wait()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"00000000-0000-4000-8000-{self.server.taken:012d}",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 25_000),
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            "Content-Type": "application/json",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench",
        }
        self._answer(200, self.server.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken += 1
        self.server.answers.append((time.perf_counter(), body))
        if self.server.taken == 1:
            self.server.ready.clear()
        self.server.answered.release()
        self._answer(202, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, event: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.event = event
        self.taken = 0
        self.answers: list[tuple[float, bytes]] = []
        self.answered = threading.Semaphore(0)
        self.ready = threading.Event()
        self.ready.set()

    def wait(self) -> None:
        """Waits for one answer. Raises TimeoutError."""
        if not self.answered.acquire(timeout=30):
            raise TimeoutError("the function does not answer")

    def handle_error(self, *_: object) -> None:
        """A process that has been timed is killed in the middle of asking for more."""


@contextmanager
def _serving(event: bytes) -> Iterator[_Server]:
    with _Server(event) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def run(program: Program, event: dict[str, Any], warm: int) -> Timing:
    """Starts a function's process as Lambda does, and asks it 1 + `warm` times."""
    with _serving(json.dumps(event).encode()) as server:
        environment = program.environment | {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        }
        started = time.perf_counter()
        process = subprocess.Popen(program.command, env=environment, cwd=program.folder, stdout=subprocess.DEVNULL)
        try:
            server.wait()
            before = _cpu_seconds(process.pid)
            server.ready.set()
            for _ in range(warm):
                server.wait()
            after, peak = _cpu_seconds(process.pid), _peak(process.pid)
        finally:
            process.kill()
            process.wait()
        _check(server.answers)
        return Timing(server.answers[0][0] - started, before, (after - before) / warm, peak)


def python(path: list[Path], handler: str, environment: dict[str, str]) -> Program:
    """A function in Python. `path` is its import path: the function's, the layer's and the runtime's."""
    command = [sys.executable, "-S", "-m", "awslambdaric", handler]
    return Program(command, path[0], environment | {"PYTHONPATH": os.pathsep.join(map(str, path))})


def _check(answers: list[tuple[float, bytes]]) -> None:
    wrong = [body for _, body in answers if json.loads(body).get("statusCode") not in {200, 201}]
    if wrong or not answers:
        raise RuntimeError(f"not an answer worth timing: {wrong[:1]}")


def _cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    """The largest resident set so far, in MB (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
