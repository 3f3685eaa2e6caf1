"""The calls to AWS that a function makes, over the connections that vendors' calls use too.

botocore would make a cold start more than half as long again. DECISIONS.md has the figures.
"""

import random
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, NamedTuple

import msgspec

from minting.deadline import Deadline
from minting.replies import Reply
from minting.settings import Account, load
from minting.signing import Credentials, Signer
from minting.transport import Outgoing, Repeats, Transport, Unanswered

TRY_SECONDS = 3.0
"""The longest time for one of two tries. AWS answers in milliseconds unless it is in trouble."""

PAUSE_SECONDS = 0.05
"""The longest pause before the second try, as in AWS's own SDKs."""

SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}
"""The domains of AWS's partitions, by the beginning of a region. All others have amazonaws.com."""

IN_PROGRESS = "TransactionInProgressException"
"""DynamoDB's answer while it still makes the same transaction, whose first answer was lost."""

ONCE = Repeats.never()
"""`Client.call` decides itself about a second try."""

type Answer = dict[str, Any]


class Service(NamedTuple):
    """One of AWS's services: its name in host names and signatures, in requests, and its version of JSON."""

    name: str
    target: str
    json_version: str


DYNAMODB = Service("dynamodb", "DynamoDB_20120810", "1.0")
SECRETS_MANAGER = Service("secretsmanager", "secretsmanager", "1.1")


class CallFailed(Exception):  # noqa: N818 - an outcome, not an error
    """The call to AWS failed.

    `reason` is for the operator. `code` is AWS's error code, and None without an answer. `answer` is
    AWS's whole answer. `unsure`: AWS may have made the change, or may still make it.
    """

    def __init__(self, reason: str, code: str | None = None, answer: Answer | None = None, *, unsure: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.answer = answer or {}
        self.unsure = unsure

    @property
    def refused(self) -> bool:
        """Whether AWS answered that it does not make this call."""
        return self.code is not None and not self.unsure


class Client:
    """Calls one service with the credentials of the function's role, which Lambda puts into the environment."""

    def __init__(self, service: Service) -> None:
        account = load(Account)
        self._service = service
        self._url = _endpoint(service, account)
        credentials = Credentials(account.aws_access_key_id, account.aws_secret_access_key, account.aws_session_token)
        self._signer = Signer(credentials, account.aws_region, service.name)

    def call(self, operation: str, request: dict[str, Any], deadline: Deadline, *, once: bool = False) -> Answer:
        """Calls an operation and returns AWS's answer.

        Tries twice if AWS does not answer or is in trouble. With `once`, only if nothing was sent.
        Raises CallFailed, never later than the deadline.
        """
        try:
            return self._try(operation, request, deadline)
        except CallFailed as failure:
            pause = random.uniform(0, PAUSE_SECONDS)  # noqa: S311 - no secret
            if failure.refused or (once and failure.unsure) or deadline.seconds_left() <= pause:
                raise
        sleep(pause)
        return self._try(operation, request, deadline)

    def _try(self, operation: str, request: dict[str, Any], deadline: Deadline) -> Answer:
        body, started = msgspec.json.encode(request), monotonic()
        try:
            return _answer(self._send(operation, body, deadline.at_most(TRY_SECONDS)))
        except Unanswered as failure:
            raise CallFailed(failure.reason, unsure=failure.sent) from None
        finally:
            deadline.meter.aws_seconds += monotonic() - started

    def _send(self, operation: str, body: bytes, deadline: Deadline) -> Reply:
        headers = {
            "content-type": f"application/x-amz-json-{self._service.json_version}",
            "x-amz-target": f"{self._service.target}.{operation}",
        }
        signed = self._signer.headers(self._url, headers, body, datetime.now(UTC))
        return _transport.send(Outgoing("POST", self._url, signed, body), deadline, ONCE)


_transport = Transport("aws")


def _endpoint(service: Service, account: Account) -> str:
    """The service's URL. Variables of AWS's own tools name another, such as a VPC endpoint."""
    given = {DYNAMODB: account.aws_endpoint_url_dynamodb, SECRETS_MANAGER: account.aws_endpoint_url_secrets_manager}
    region = account.aws_region
    suffix = next((suffix for prefix, suffix in SUFFIXES.items() if region.startswith(prefix)), "amazonaws.com")
    url = given[service] or account.aws_endpoint_url or f"https://{service.name}.{region}.{suffix}"
    return url.rstrip("/") + "/"


def _answer(reply: Reply) -> Answer:
    answer = reply.json()
    if reply.status == 200 and isinstance(answer, dict):
        return answer
    told: Answer = answer if isinstance(answer, dict) else {}
    code = str(told.get("__type", reply.status)).rpartition("#")[2]
    raise CallFailed(code, code, told, unsure=code == IN_PROGRESS or reply.status == 200 or reply.status >= 500)
