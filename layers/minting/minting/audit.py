"""The log record and the metrics of a request.

Neither ever holds a body, a header, a key or a token.
"""

import logging
import sys
import traceback
from collections.abc import Mapping
from time import monotonic
from typing import Any, TextIO

import msgspec
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from minting.callers import Caller
from minting.meter import Meter
from minting.problems import Problem

OWN_ALARM = {"vendor_key_rejected", "limits_unavailable", "vendor_stopped"}
"""The operator's faults that operator_fault leaves out: two have an alarm of their own, and the team wants the third."""

library = logging.getLogger("urllib3")
# At DEBUG it logs requests. Keep it silent whatever the log level.
library.setLevel(logging.WARNING)
library.addHandler(logging.NullHandler())
library.propagate = False


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The log record of one request. Each stage fills in its part.

    `mint_id` is the Lambda request id, so it also finds Lambda's own log lines. `subject` is the
    resource that the request acts on, such as `token#<SHA-256>`. `token_sha256` finds the record of
    a leaked token without storing the token. `frames` is where our own exception was raised,
    outermost first. The exception's message is left out, because it may hold a secret.
    """

    mint_id: str
    vendor: str
    route: str
    outcome: str = "done"
    status: int = 0
    caller: Caller | None = None
    subject: str | None = None
    ttl_seconds: int | None = None
    token_sha256: str | None = None
    fault: str | None = None
    detail: str | None = None
    notes: list[str] | None = None
    vendor_status: int | None = None
    vendor_code: str | int | None = None
    exception: str | None = None
    frames: list[str] | None = None
    started: float = msgspec.field(default_factory=monotonic)

    def failed(self, problem: Problem) -> None:
        """Records why the request failed. The notes are for the operator alone."""
        self.outcome = problem.code
        self.fault, self.detail = problem.fault, problem.detail
        self.vendor_status, self.vendor_code = problem.vendor_status, problem.vendor_code
        self.notes = getattr(problem, "__notes__", None)

    def crashed(self, error: Exception) -> None:
        """Records the type and the place of an exception in our own code."""
        self.exception = type(error).__name__
        self.frames = [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]


class Audit:
    """Writes one vendor's records to standard output, which Lambda sends to CloudWatch Logs.

    Each stack has a metrics `namespace` of its own, so that one stack's failures do not start
    another stack's alarm.
    """

    def __init__(self, vendor: str, namespace: str) -> None:
        self._vendor, self._namespace = vendor, namespace
        self._logger = Logger(
            service=f"avatar-mint.{vendor}",
            level=logging.INFO,
            logger_handler=_Stdout(),
            json_serializer=_json,
            use_rfc3339=True,
            utc=True,
            location=None,
        )
        self._levels = {"operator": self._logger.error, "vendor": self._logger.warning}

    def write(self, record: Record, meter: Meter) -> None:
        """Writes the record and its metrics. docs/operating.md lists them."""
        fields = msgspec.to_builtins(record)
        durations = _durations(monotonic() - fields.pop("started"), meter)
        spent = {f"{part.replace('_duration', '')}_ms": value for part, value in durations.items()}
        self._levels.get(record.fault or "", self._logger.info)(record.outcome, extra=fields | spent)
        self._emit(
            {
                MetricUnit.Count: _counts(record, meter),
                MetricUnit.Milliseconds: durations,
                MetricUnit.Percent: meter.used,
            }
        )

    def gauge(self, name: str, seconds: float) -> None:
        """Writes a metric of the vendor's own: a duration that an alarm watches."""
        self._emit({MetricUnit.Seconds: {name: seconds}})

    def _emit(self, values: Mapping[MetricUnit, Mapping[str, float]]) -> None:
        metrics = EphemeralMetrics(namespace=self._namespace, service=self._vendor)
        for unit, named in values.items():
            for name, value in named.items():
                metrics.add_metric(name, unit, value)
        metrics.flush_metrics()


def _counts(record: Record, meter: Meter) -> dict[str, float]:
    """The outcome and the events, and whose fault it was.

    vendor_fault is 0 for a request that the vendor has served, so its average is the share that failed.
    """
    counts: dict[str, float] = {record.outcome: 1, **meter.events}
    if record.fault == "vendor" or meter.vendor_seconds:
        counts["vendor_fault"] = int(record.fault == "vendor")
    if record.fault == "operator" and record.outcome not in OWN_ALARM:
        counts["operator_fault"] = 1
    return counts


def _durations(seconds: float, meter: Meter) -> dict[str, float]:
    """The whole request, and its parts, in milliseconds."""
    own = max(0.0, seconds - meter.vendor_seconds - meter.aws_seconds)
    return {
        "duration": _ms(seconds),
        "vendor_duration": _ms(meter.vendor_seconds),
        "aws_duration": _ms(meter.aws_seconds),
        "own_duration": _ms(own),
    }


class _Stdout(logging.StreamHandler[TextIO]):
    """Looks standard output up for each record, so that a test can redirect it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


def _json(record: dict[str, Any]) -> str:
    return msgspec.json.encode(record, enc_hook=str).decode()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
