"""What a Lambda gives back: a response that Lambda takes, and a record that says what the caller got."""

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller  # type: ignore[import-untyped]

from local.functions import Context
from minting.audit import Record
from minting.deadline import Deadline
from minting.function import MAX_RESPONSE_BYTES, Event, Function, Response, response
from minting.problems import Problem
from minting.settings import FunctionSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Telling(Function):
    """Answers with one text."""

    text = ""

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:  # noqa: ARG002 - the base class' signature
        record.outcome = "told"
        return response(200, {"text": self.text})


@pytest.fixture
def telling() -> Telling:
    return Telling("telling", FunctionSettings(metrics_namespace="tests"))


def ask(function: Function, timeout: float = 25) -> Response:
    return function.handler({"routeKey": "GET /text"}, cast("LambdaContext", Context(timeout=timeout)))


def sent(reply: Response) -> int:
    """Bytes that the runtime sends to Lambda."""
    body, _ = LambdaMarshaller().marshal_response(reply)
    return len(body.encode())


def record_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[0])
    return record


@pytest.mark.parametrize("filler", ["x", '"', "\\", "\x1f", "\n", "\x7f", "é", "\u2028", "\U0001f600"], ids=ascii)
def test_a_response_is_as_large_as_lambda_takes_and_not_a_byte_larger(
    telling: Telling, filler: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    empty = sent(response(200, {"text": ""}))
    each = sent(response(200, {"text": filler})) - empty
    many, rest = divmod(MAX_RESPONSE_BYTES - empty, each)
    telling.text = filler * many + "x" * rest
    reply = ask(telling)
    assert (reply["statusCode"], sent(reply)) == (200, MAX_RESPONSE_BYTES)
    assert (record_of(capsys)["outcome"], json.loads(reply["body"])) == ("told", {"text": telling.text})
    telling.text += "x"
    reply = ask(telling)
    assert (reply["statusCode"], sent(reply) < 1000) == (502, True)
    problem = json.loads(reply["body"])
    assert (problem["code"], problem["retryable"], "Ask for fewer" in problem["detail"]) == (
        "vendor_error",
        False,
        True,
    )
    record = record_of(capsys)
    assert (record["outcome"], record["status"], record["detail"]) == ("vendor_error", 502, problem["detail"])


def test_a_small_response_is_not_measured(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minting.function._size", pytest.fail)
    telling.text = "x" * 1_000_000
    assert ask(telling)["statusCode"] == 200


class Raising(Function):
    """Refuses with one problem, and remembers how much time it had."""

    problem: Problem
    left = 0.0

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:  # noqa: ARG002 - the base class' signature
        self.left = deadline.seconds_left()
        raise self.problem


@pytest.fixture
def raising() -> Raising:
    return Raising("raising", FunctionSettings(metrics_namespace="tests"))


@pytest.mark.parametrize(
    ("problem", "header", "value"),
    [
        (Problem("unauthenticated", "who?"), "www-authenticate", "Bearer"),
        (Problem("not_allowed", "no"), "www-authenticate", None),
        (Problem("vendor_busy", "later", retry_after=0), "retry-after", "0"),
        (Problem("vendor_busy", "later"), "retry-after", None),
        (Problem("not_found", "no"), "cache-control", "no-store"),
    ],
)
def test_a_refusal_has_the_headers_of_its_kind(
    raising: Raising, problem: Problem, header: str, value: str | None
) -> None:
    raising.problem = problem
    assert ask(raising)["headers"].get(header) == value


def test_an_answer_without_a_body_is_kept_by_no_cache_either() -> None:
    assert response(204) == {"statusCode": 204, "headers": {"cache-control": "no-store"}, "body": ""}


@pytest.mark.parametrize(("timeout", "left"), [(60, 20), (5, 4)])
def test_a_request_ends_a_second_before_its_function_does(raising: Raising, timeout: float, left: float) -> None:
    raising.problem = Problem("not_found", "no")
    ask(raising, timeout)
    assert raising.left == pytest.approx(left, abs=0.2)
