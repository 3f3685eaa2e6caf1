"""AWS clients: regions, endpoints and credentials are the runtime's; the patience and the speed of the start are ours.

They are botocore's own, which boto3 wraps: `import boto3` alone costs a fifth of a cold start, for S3 transfers nobody makes.
"""

import gzip
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import JSONFileLoader, Loader

from minting.deadline import Deadline
from minting.workers import Workers

PATIENCE = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    parameter_validation=False,  # what is sent is put together in keys.py and ledger.py, and AWS checks it anyway
)
"""AWS answers in milliseconds or is in trouble: about 6 s at the worst, out of a request's 20.

Neither bounds name look-up: the deadline does.
"""

SERVICES = ["dynamodb", "secretsmanager"]

type Answer = dict[str, Any]


class NotDone(Exception):  # noqa: N818 - an answer, not an error
    """AWS did not do what was asked.

    `code` is AWS's own, and `answer` its whole answer. Without an answer in time `code` is None:
    then AWS may have done it, or may still do it. `reason` is for the operator.
    """

    def __init__(self, reason: str, code: str | None = None, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.answer = answer or {}


def ask(operation: Callable[..., Answer], deadline: Deadline, **request: Any) -> Answer:
    """AWS's answer to an operation of a client. Raises NotDone, never later than the deadline."""
    try:
        return _workers.run(partial(operation, **request), deadline)
    except ClientError as fault:
        code = fault.response["Error"]["Code"]
        raise NotDone(code, code, dict(fault.response)) from None
    except (BotoCoreError, TimeoutError) as fault:
        raise NotDone(type(fault).__name__) from None


_workers = Workers("aws")


class _Models(JSONFileLoader):
    """botocore's service models, decoded by msgspec: the same values in a third of the time."""

    def load_file(self, file_path: str) -> Any:
        for ending, decompress in ((".json", bytes), (".json.gz", gzip.decompress)):
            file = Path(file_path + ending)
            if file.is_file():
                return msgspec.json.decode(decompress(file.read_bytes()))
        return None


class _Loader(Loader):
    """botocore's loader, that does not look through the models of 400 services to learn that ours exists."""

    FILE_LOADER_CLASS = _Models

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        return SERVICES


def client(service: str) -> Any:
    """A low-level client of one of SERVICES."""
    return _session().create_client(service, config=PATIENCE)


@cache
def _session() -> botocore.session.Session:
    """One for all clients: what it has loaded, such as the partitions' endpoints, is loaded once."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _Loader())
    return session
