"""AWS clients: the regions, endpoints and credentials are the runtime's, the patience is ours."""

from typing import Any

import boto3
from botocore.config import Config

PATIENCE = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
"""AWS answers in milliseconds or is in trouble: about 6 s at the worst, out of a request's 20."""


def client(service: str) -> Any:
    """A low-level client of one AWS service."""
    return boto3.client(service, config=PATIENCE)  # type: ignore[call-overload]
