"""AWS clients. Region, endpoint and credentials come from the Lambda runtime.

The timeouts and the faster import are ours.

The clients are botocore's own, which boto3 wraps. `import boto3` alone costs a fifth of a cold
start.
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

CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    parameter_validation=False,  # keys.py and table.py build every request, and AWS checks it anyway
)
"""AWS answers in milliseconds unless it is in trouble.

At worst a call takes about 6 s of a request's 20 s. These timeouts do not limit a DNS look-up. The
deadline does.
"""

SERVICES = ["dynamodb", "secretsmanager"]

type Answer = dict[str, Any]


class CallFailed(Exception):  # noqa: N818 - an outcome, not an error
    """The call to AWS failed.

    `code` is AWS's error code, and `answer` is its whole answer. Without an answer in time, `code`
    is None: AWS may have made the change, or may still make it. `reason` is for the operator.
    """

    def __init__(self, reason: str, code: str | None = None, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.answer = answer or {}


def call(operation: Callable[..., Answer], deadline: Deadline, **request: Any) -> Answer:
    """Calls an operation of a client and returns AWS's answer.

    Raises CallFailed, never later than the deadline.
    """
    try:
        return _workers.run(partial(operation, **request), deadline)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise CallFailed(code, code, dict(error.response)) from None
    except (BotoCoreError, TimeoutError) as error:
        raise CallFailed(type(error).__name__) from None


_workers = Workers("aws")


class _Models(JSONFileLoader):
    """Decodes botocore's service models with msgspec: the same values in a third of the time."""

    def load_file(self, file_path: str) -> Any:
        for ending, decompress in ((".json", bytes), (".json.gz", gzip.decompress)):
            file = Path(file_path + ending)
            if file.is_file():
                return msgspec.json.decode(decompress(file.read_bytes()))
        return None


class _Loader(Loader):
    """botocore's loader, which does not search the models of 400 services for ours."""

    FILE_LOADER_CLASS = _Models

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        return SERVICES


def client(service: str, *, once: bool = False) -> Any:
    """A low-level client of one of SERVICES. With `once`, it never sends a request again."""
    config = CONFIG.merge(Config(retries={"total_max_attempts": 1})) if once else CONFIG
    return _session().create_client(service, config=config)


@cache
def _session() -> botocore.session.Session:
    """One session for all clients, so that the partitions' endpoints are loaded once."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _Loader())
    return session
