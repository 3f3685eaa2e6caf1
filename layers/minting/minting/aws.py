"""AWS clients: regions, endpoints and credentials are the runtime's; the patience and the speed of the start are ours.

They are botocore's own, which boto3 wraps: `import boto3` alone costs a fifth of a cold start, for S3 transfers nobody makes.
"""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader

PATIENCE = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    parameter_validation=False,  # what is sent is put together in keys.py and ledger.py, and AWS checks it anyway
)
"""AWS answers in milliseconds or is in trouble: about 6 s at the worst, out of a request's 20."""

SERVICES = ["dynamodb", "secretsmanager"]


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
