"""What the tests share: the bundle with its stand-ins, started once a process, and fresh functions in it."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import boto3
import pytest
from moto.core.model_instances import reset_model_data

from local.bundle import AS_IT_IS, Bundle
from local.functions import COPY, Context, load_module
from minting import aws
from tests.vendors import LACKS

if TYPE_CHECKING:
    from local.twins.twin import Twin


class Lack(pytest.Item):
    """Something that the tests of every vendor need and that a vendor lacks: its name says what, and where to add it."""

    def runtest(self) -> None:
        raise LookupError(self.name)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:  # noqa: ARG002
        return str(excinfo.value)


@pytest.hookimpl(trylast=True)  # after -k and -m, which must not hide it
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """The bundle cannot run with such a vendor. One failure for each thing that is missing stands for all tests that need it."""
    if LACKS:
        items[:] = [item for item in items if "_bundle" not in getattr(item, "fixturenames", ())]
        items += [Lack.from_parent(session, name=lack) for lack in LACKS]


NOBODY = cast("Twin", SimpleNamespace(calls=[], keys={}, reset=lambda: None))
"""In the place of a vendor that is never asked, because its tokens are signed in the function."""


class Answer(NamedTuple):
    """What a handler gave back, with its body decoded."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    raw: dict[str, Any]


class Function:
    """A fresh copy of one vendor's function, as in a new execution environment, with a secret of its own."""

    def __init__(self, bundle: Bundle, vendor: str, changes: Mapping[str, str], secret: str) -> None:
        self._bundle = bundle
        self._secrets = client(bundle, "secretsmanager")
        self.vendor = vendor
        self.secret_id = f"{vendor}-{uuid.uuid4().hex}"
        self._secrets.create_secret(Name=self.secret_id, SecretString=secret)
        environment = bundle.environment(vendor) | {"API_KEY_SECRET": self.secret_id, **changes}
        self.module = load_module(vendor, environment)

    @property
    def modules(self) -> list[ModuleType]:
        """All modules of this copy's package. `module` is its app.py."""
        prefix = f"{self.module.__package__}."
        return [module for name, module in list(sys.modules.items()) if name.startswith(prefix)]

    @property
    def twin(self) -> "Twin":
        """The vendor's stand-in, or NOBODY."""
        twin: Twin = self._bundle.twins.get(self.vendor, NOBODY)
        return twin

    def ask(
        self, event: str, body: Any = AS_IT_IS, *, sub: str = "alice", timeout: float = 25, **changes: Any
    ) -> Answer:
        """Sends events/<event>.json with another body (text as it is, all else as JSON), caller, or top-level members."""
        return self.send(self._bundle.event(event, body=body, sub=sub) | changes, timeout)

    def send(self, event: dict[str, Any], timeout: float = 25) -> Answer:
        """Sends an event as it is."""
        raw = self.module.handler(event, Context(f"{self.vendor}-test", timeout))
        return Answer(raw["statusCode"], raw["headers"], json.loads(raw["body"]) if raw.get("body") else {}, raw)

    def forget_sign_in(self) -> None:
        """Drops the access token of a vendor that the function signs in to."""
        for module in self.modules:
            if hasattr(module, "sign_in"):
                module.sign_in.forget()

    def put_key(self, value: object) -> None:
        """Rotates: what an operator's put-secret-value does."""
        self._secrets.put_secret_value(SecretId=self.secret_id, SecretString=json.dumps(value))


@pytest.fixture(scope="session")
def _bundle() -> Iterator[Bundle]:
    with Bundle() as bundle:
        yield bundle


@pytest.fixture(scope="session")
def _warm_functions() -> dict[str, list[Function]]:
    """Each vendor's function, as often as it may still be used."""
    return {}


@pytest.fixture(autouse=True)
def _unloaded(_warm_functions: dict[str, list[Function]]) -> Iterator[None]:
    """The module of a fresh function stays loaded, and hundreds of them make every collection slow.

    typing's own caches hold on to some modules, so they are emptied too. And moto keeps every copy of a table that it ever made.
    """
    before, warm = set(sys.modules), _packages(_warm_functions)
    yield
    fresh = {name.partition(".")[0] for name in sys.modules.keys() - before if name.startswith(COPY)}
    if gone := (fresh | warm) - _packages(_warm_functions):
        for name in [name for name in sys.modules if name.partition(".")[0] in gone]:
            vars(sys.modules.pop(name)).clear()
    reset_model_data()


def _packages(functions: dict[str, list[Function]]) -> set[str]:
    return {str(uses[0].module.__package__) for uses in functions.values() if uses}


@pytest.fixture
def bundle(_bundle: Bundle) -> Bundle:
    """The running bundle, its twins as new."""
    for twin in _bundle.twins.values():
        twin.reset()
    return _bundle


@pytest.fixture
def table(bundle: Bundle) -> str:
    """The name of an empty table of limits. Nobody deletes it, because that takes as long as to make it."""
    name = f"limits-{uuid.uuid4().hex}"
    shape: dict[str, Any] = bundle.template.resolve(bundle.template.properties("LimitsTable"))
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode")
    client(bundle, "dynamodb").create_table(TableName=name, **{member: shape[member] for member in wanted})
    return name


@pytest.fixture
def function(bundle: Bundle, table: str) -> Callable[..., Function]:
    """`function(vendor, secret={...}, VARIABLE="...")`: a fresh function; `secret` is its secret's value (JSON or text).

    All functions of one test share the table of limits, as all environments of a deployment do.
    """

    def fresh(vendor: str, secret: object = None, **changes: str) -> Function:
        value = _local_key(bundle, vendor) if secret is None else secret
        changes = {"LIMITS_TABLE": table} | changes
        return Function(bundle, vendor, changes, value if isinstance(value, str) else json.dumps(value))

    return fresh


@cache
def client(bundle: Bundle, service: str) -> Any:
    """A boto3 client of the stand-in for AWS."""
    return boto3.Session().client(service, **bundle.aws)  # type: ignore[call-overload]


@cache
def _local_key(bundle: Bundle, vendor: str) -> str:
    secret_id = bundle.environment(vendor)["API_KEY_SECRET"]
    seeded: str = client(bundle, "secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    return seeded


class Clock:
    """Monotonic seconds that stand still until a test moves them."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every keyring."""
    clock = Clock()
    monkeypatch.setattr("minting.keyring.monotonic", clock)
    return clock


@pytest.fixture
def patient_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions wait a minute for AWS: moto answers many callers one by one, and does not know a repeated transaction."""
    monkeypatch.setattr(aws, "TRY_SECONDS", 60)
