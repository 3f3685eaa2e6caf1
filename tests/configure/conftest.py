"""A team's copy of the project, and an issuer behind TLS, because the template takes https issuers only."""

import io
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.issuer import Issuer
from tests.deploy.tls import Fronts
from tests.vendors import ROOT

type Run = Callable[..., int | str | None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="session")
def _fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    with Fronts(tmp_path_factory.mktemp("tls")) as fronts:
        yield fronts


@pytest.fixture(scope="session")
def _issuer(_fronts: Fronts) -> Iterator[Issuer]:
    issuer = Issuer("my-app")
    issuer.start()
    issuer.url = _fronts.url(issuer.url)
    yield issuer
    issuer.stop()


@pytest.fixture
def issuer(_issuer: Issuer, _fronts: Fronts, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """This machine trusts it, and no proxy stands before it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(_fronts.certificate))
    monkeypatch.setenv("NO_PROXY", "localhost")
    return _issuer


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An https address of this machine. Its port is taken, so that nobody else can listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine's AWS settings say nothing."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts lines into the standard input, which then ends."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
