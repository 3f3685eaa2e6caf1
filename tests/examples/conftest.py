"""The examples as `make examples` serves them, and a bundle that lets their pages call."""

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from local.bundle import Bundle

EXAMPLES = Path(__file__).parents[2] / "examples"


class Site(NamedTuple):
    """A copy of the examples, and its origin."""

    folder: Path
    origin: str

    def point_to(self, bundle: Bundle) -> None:
        """Puts the bundle's address in the place of that of `make run`, as a developer does."""
        for deployment in self.folder.glob("*/deployment.js"):
            deployment.write_text(deployment.read_text().replace("http://127.0.0.1:3000", bundle.url))


class Quiet(SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served") / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("node_modules"))
    for installed in EXAMPLES.glob("*/node_modules"):
        (folder / installed.parent.name / "node_modules").symlink_to(installed)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, f"http://localhost:{server.server_port}")
        server.shutdown()


@pytest.fixture(scope="session")
def _bundle(site: Site) -> Iterator[Bundle]:
    with Bundle(given={"ORIGINS": site.origin, "CALLER_PER_HOUR": "1000", "CALLER_PER_DAY": "1000"}) as bundle:
        site.point_to(bundle)
        yield bundle
