"""What is written down: one record and one set of metrics per request, by which a token's caller is found."""

import hashlib
import json
import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault
from minting.audit import Audit, Record
from minting.callers import Caller
from minting.meter import Meter
from minting.problems import CATALOGUE, Problem
from tests.functions.contract import Fresh
from tests.trust.unlimited import NoTable

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

MINTS = {
    "spatius": ("spatius-mint", "sessionToken"),
    "odyssey": ("odyssey-mint", "session_token"),
    "spatialgen": ("spatialgen-lease", "key"),
    "convai": ("convai-mint", "apiAuthToken"),
    "trulience": ("trulience-mint", "jwt"),
    "livekit": ("livekit-mint", "participant_token"),
    "agora": ("agora-mint", "token"),
}
RECORD = {"level", "message", "timestamp", "service"}
ALWAYS = RECORD | {"mint_id", "vendor", "route", "outcome", "status", "duration_ms", "vendor_ms", "aws_ms", "own_ms"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Every line of standard output; each is one JSON object."""
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.split("\n")[:-1]]


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [line for line in lines(capsys) if "_aws" not in line]


@pytest.mark.parametrize("vendor", MINTS)
def test_a_tokens_fingerprint_finds_the_one_record_of_its_caller(
    function: Fresh, capsys: pytest.CaptureFixture[str], vendor: str
) -> None:
    event, field = MINTS[vendor]
    made = function(vendor)
    answers = {sub: made.ask(event, sub=sub) for sub in ("alice", "bob", "carol")}
    leaked = answers["bob"]
    fingerprint = hashlib.sha256(leaked.body[field].encode()).hexdigest()
    found = [record for record in records(capsys) if record.get("token_sha256") == fingerprint]
    if vendor == "spatialgen":  # all callers are leased the one key that there is
        assert [record["caller"]["sub"] for record in found] == list(answers)
        found = found[1:2]
    (record,) = found
    assert (record["mint_id"], record["vendor"]) == (leaked.body["mint"]["id"], vendor)
    assert record["caller"] == {"iss": "https://issuer.example.com", "sub": "bob"}


def test_the_record_of_a_mint_says_what_was_minted(
    bundle: "Bundle", function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = function("convai").ask("convai-mint")
    record, metrics = lines(capsys)
    assert record.keys() == ALWAYS | {"caller", "token_sha256", "ttl_seconds"}
    assert (record["level"], record["outcome"], record["status"]) == ("INFO", "minted", 201)
    assert (record["route"], record["service"]) == ("POST /v1/convai/tokens", "avatar-mint.convai")
    assert record["ttl_seconds"] == answer.body["mint"]["expires_in"]
    assert 0 < record["vendor_ms"] <= record["duration_ms"]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == bundle.environment("convai")["METRICS_NAMESPACE"]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert (metrics["service"], metrics["minted"]) == ("convai", [1])


def broken(answer: dict[str, Any]) -> Callable[..., "Answer"]:
    def ask(made: "Function") -> "Answer":
        made.module.vendor.table._client = NoTable()  # all of the time is the vendor's
        made.twin.fault(Fault(**answer))
        return made.ask("convai-mint", timeout=1.2)

    return ask


def crash(made: "Function") -> "Answer":
    def boom(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a message")

    made.module.vendor._keyring._rejections.clear()
    made.module.api.request = boom
    return made.ask("convai-mint")


REFUSALS: dict[str, tuple[str, Callable[["Function"], "Answer"]]] = {
    "invalid_request": ("INFO", lambda made: made.ask("convai-mint", {"a": 1})),
    "not_json": ("INFO", lambda made: made.ask("convai-mint", headers={"content-type": "text/plain"}, body="x")),
    "body_too_large": ("INFO", lambda made: made.ask("convai-mint", " " * 99_999)),
    "unauthenticated": ("INFO", lambda made: made.ask("convai-mint", sub="")),
    "not_found": ("INFO", lambda made: made.ask("convai-mint", routeKey="POST /v1/convai/other")),
    "vendor_error": ("WARNING", broken({"status": 418})),
    "vendor_malformed": ("WARNING", broken({"status": 200, "body": "{"})),
    "vendor_busy": ("WARNING", broken({"status": 429})),
    "vendor_timeout": ("WARNING", broken({"delay": 2})),
    "vendor_key_rejected": ("ERROR", broken({"status": 401})),
    "internal_error": ("ERROR", crash),
}


def test_the_record_of_a_refused_request_names_its_outcome_and_whose_fault_it_is(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    made = function("convai")
    for code, (level, ask) in REFUSALS.items():
        made.twin.reset()
        answer = ask(made)
        record, metrics = lines(capsys)
        assert (answer.body["code"], answer.status) == (code, CATALOGUE[code].status)
        assert (record["level"], record["outcome"], record["status"]) == (level, code, answer.status)
        assert (record["fault"], record["detail"]) == (answer.body["fault"], answer.body["detail"])
        assert answer.body["instance"] == f"urn:uuid:{record['mint_id']}"
        assert record.get("vendor_status") == answer.body.get("vendor_status")
        assert ("caller" in record) is (code not in {"unauthenticated", "not_found"})
        assert metrics[code] == [1]
        assert "token_sha256" not in record


def test_a_fault_in_our_own_code_is_recorded_by_its_kind_and_place(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    crash(function("convai"))
    (record,) = records(capsys)
    assert record["exception"] == "ZeroDivisionError"
    assert record["frames"][-1].endswith(" boom")
    assert "a message" not in json.dumps(record)


SUBS = ["a\nb", 'a"}\n{"level": "INFO"', "\0", "\u2028", "\x1b[31m", "é", "\U0001f600", "\ud800", "{}", "%s", "a|b"]


def test_a_callers_name_is_one_value_in_one_record_whatever_is_in_it(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    made = function("convai")
    for sub in SUBS:
        status = made.ask("convai-mint", sub=sub).status
        (record,) = records(capsys)
        assert record["status"] == status
        assert status == 401 or record["caller"]["sub"] == sub


@pytest.mark.parametrize(
    "problem", [Problem("not_configured", "why"), Problem("vendor_error", "why", fault="operator")]
)
def test_the_operators_notes_are_in_the_record_alone(capsys: pytest.CaptureFixture[str], problem: Problem) -> None:
    problem.add_note("secret x: AccessDeniedException")
    record = Record(mint_id="1", vendor="v", route="r", caller=Caller("i", "s"))
    record.failed(problem)
    Audit("v", "n").write(record, Meter())
    written, metrics = lines(capsys)
    assert (written["level"], written["notes"]) == ("ERROR", problem.__notes__)
    assert "AccessDenied" not in json.dumps(metrics)


def test_the_metrics_are_the_records_times_in_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter()
    meter.vendor_seconds, meter.aws_seconds = 1.5, 0.5
    Audit("v", "tests").write(Record(mint_id="1", vendor="v", route="r", started=monotonic() - 3), meter)
    record, metrics = lines(capsys)
    assert (record["vendor_ms"], record["aws_ms"]) == (1500, 500)
    assert (record["duration_ms"], record["own_ms"]) == (pytest.approx(3000, abs=100), pytest.approx(1000, abs=100))
    parts = {
        "duration": "duration_ms",
        "vendor_duration": "vendor_ms",
        "aws_duration": "aws_ms",
        "own_duration": "own_ms",
    }
    assert {metric: metrics[metric] for metric in parts} == {metric: [record[name]] for metric, name in parts.items()}


@pytest.mark.parametrize("name", ["boto3", "botocore", "requests", "urllib3"])
def test_libraries_that_write_down_what_they_carry_are_kept_from_it(name: str) -> None:
    assert not logging.getLogger(f"{name}.parsers").isEnabledFor(logging.INFO)
