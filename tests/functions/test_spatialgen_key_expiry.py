"""SpatialGen's readonly key is temporary: each use, and a schedule, tell the alarm how long it lives."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.contract import NOT_CONFIGURED, NOT_FOUND, UNAUTHENTICATED, Fresh, said
from tests.functions.spatialgen_uploads import READONLY
from tests.trust.table import items

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

USES = ["spatialgen-lease", "spatialgen-videos", "spatialgen-streams", "spatialgen-widevine"]


@pytest.mark.parametrize("event", USES)
@pytest.mark.parametrize("expires_at", ["2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])
def test_each_use_of_the_readonly_key_writes_its_remaining_life(
    bundle: "Bundle", tableless: Fresh, capsys: pytest.CaptureFixture[str], event: str, expires_at: str
) -> None:
    tableless("spatialgen", {"readonly": READONLY | {"expires_at": expires_at}}).ask(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metric = next(line for line in lines if "key_expires_in" in line)
    left = (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds()
    assert metric["key_expires_in"] == [pytest.approx(left, abs=5)]
    declared = metric["_aws"]["CloudWatchMetrics"][0]
    assert declared["Metrics"] == [{"Name": "key_expires_in", "Unit": "Seconds"}]
    namespace = bundle.environment("spatialgen")["METRICS_NAMESPACE"]
    assert (declared["Namespace"], declared["Dimensions"]) == (namespace, [["service"]])
    assert metric["service"] == "spatialgen"


# The schedule

SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-21T22:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/avatar-mint-SpatialGenFunctionKeyExpiry"],
    "detail": {},
}
"""What a rule's schedule sends. Source: Lambda developer guide, "Invoke a Lambda function on a schedule"."""


def readonly(days: float) -> dict[str, Any]:
    return {"key": "a-readonly-key", "expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat()}


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[float]]:
    """The record, and what the alarm is told: each number of seconds."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (record,) = [line for line in lines if "mint_id" in line]
    return record, [seconds for line in lines for seconds in line.get("key_expires_in", [])]


@pytest.mark.parametrize("days", [7, 0.5, -1])
def test_a_schedule_writes_the_keys_remaining_life(
    tableless: Fresh, capsys: pytest.CaptureFixture[str], days: float
) -> None:
    spatialgen = tableless("spatialgen", {"readonly": readonly(days)})
    assert spatialgen.send(SCHEDULED).status == 204
    record, told = printed(capsys)
    assert told == [pytest.approx(days * 86_400, abs=10)]
    assert (record["outcome"], record["route"], record.get("caller")) == ("checked", "Scheduled Event", None)


def test_a_schedule_calls_no_vendor_and_counts_in_no_limit(function: Fresh, bundle: "Bundle", table: str) -> None:
    spatialgen = function("spatialgen", CALLER_PER_HOUR="1", VENDOR_PER_DAY="1")
    assert [spatialgen.send(SCHEDULED).status for _ in range(3)] == [204] * 3
    assert spatialgen.twin.calls == []
    assert items(bundle, table) == {}


def test_a_replaced_key_clears_the_alarm_without_a_caller(
    tableless: Fresh, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minting.keyring.MAX_AGE", 0)
    spatialgen = tableless("spatialgen", {"readonly": readonly(0.1)})
    spatialgen.send(SCHEDULED)
    assert printed(capsys)[1][0] < 86_400
    spatialgen.put_key({"readonly": readonly(7)})
    spatialgen.send(SCHEDULED)
    assert printed(capsys)[1][0] > 86_400


@pytest.mark.parametrize("secret", ["not JSON", {"readonly": {"key": "a-readonly-key"}}, {"api_key": 5, "upload": 5}])
def test_an_unusable_secret_starts_the_alarm_and_is_in_the_records(
    tableless: Fresh, capsys: pytest.CaptureFixture[str], secret: object
) -> None:
    assert said(tableless("spatialgen", secret).send(SCHEDULED)) == NOT_CONFIGURED
    record, told = printed(capsys)
    assert told == [0]
    assert (record["level"], record["outcome"], record["fault"]) == ("ERROR", "not_configured", "operator")


def test_an_empty_secret_starts_the_alarm(tableless: Fresh, valueless: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tableless("spatialgen", API_KEY_SECRET=valueless).send(SCHEDULED)) == NOT_CONFIGURED
    assert printed(capsys)[1] == [0]


def test_a_deployment_that_only_uploads_writes_no_remaining_life(
    tableless: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tableless("spatialgen", {"upload": {"key": "an-upload-key"}}).send(SCHEDULED).status == 204
    record, told = printed(capsys)
    assert (record["outcome"], told) == ("checked", [])


def test_an_outage_of_secrets_manager_writes_no_remaining_life(
    function: Fresh, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = function("spatialgen", AWS_ENDPOINT_URL=nobody).send(SCHEDULED)
    assert answer.body["code"] == "key_unavailable"
    record, told = printed(capsys)
    assert (record["outcome"], told) == ("key_unavailable", [])


def test_the_schedules_record_holds_no_key(tableless: Fresh, capsys: pytest.CaptureFixture[str]) -> None:
    tableless("spatialgen", {"readonly": readonly(7), "upload": {"key": "an-upload-key"}}).send(SCHEDULED)
    assert "-key" not in capsys.readouterr().out


def http_event(bundle: "Bundle") -> dict[str, Any]:
    event = bundle.event("spatialgen-lease", body=SCHEDULED)
    del event["requestContext"]["authorizer"]
    return event | {"rawQueryString": "detail-type=Scheduled%20Event", "headers": {"detail-type": "Scheduled Event"}}


def test_no_request_is_taken_for_a_schedule(
    tableless: Fresh, bundle: "Bundle", capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(tableless("spatialgen").send(http_event(bundle))) == UNAUTHENTICATED
    assert printed(capsys)[1] == []


@pytest.mark.parametrize("vendor", ["convai", "catalogue"])
def test_a_function_without_a_schedule_refuses_one(function: Fresh, vendor: str) -> None:
    other: Function = function(vendor, "{}")
    assert said(other.send(SCHEDULED)) == NOT_FOUND
    assert other.twin.calls == []
