"""SpatialGen's files of an upload: presigned URLs for their parts, and their completion."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from local.twins.twin import Fault
from tests.conftest import Answer
from tests.functions.contract import INVALID, MALFORMED, NOT_FOUND, TOO_LARGE, Fresh, faults, minted, moment, said
from tests.functions.spatialgen_uploads import (
    COMPLETED,
    FILE_FIELDS,
    LOUD,
    PART,
    SIGNED,
    UPLOADS,
    Upload,
    put,
    started,
    twin_of,
    video,
)

ETAG = '"9e107d9d372bb6826bd81d3542a419d6"'


def response_to(begun: Upload, step: str, body: Any) -> Answer:
    """The response to a step to which the vendor replies with `body`."""
    begun.function.twin.fault(Fault(path=f"{UPLOADS}/", body=body))
    return begun.sign() if step == "part-urls" else begun.complete()


# Part URLs


def test_a_range_of_parts_is_signed(begun: Upload) -> None:
    twin_of(begun.function).part_bytes = 4
    begun = started(begun.function, video(size=9))
    parts = begun.step("part-urls", {"startPartNumber": 2, "count": 2}).body["parts"]
    assert [part["partNumber"] for part in parts] == [2, 3]
    assert [(part["byteStart"], part["byteEnd"], part["sizeBytes"]) for part in parts] == [(4, 7, 4), (8, 8, 1)]
    assert put(parts, b"012345678")


def test_part_urls_have_the_documented_fields_only_and_a_mint(begun: Upload) -> None:
    answer = response_to(begun, "part-urls", SIGNED | LOUD | {"parts": [PART | LOUD | {"byteEnd": 12}]})
    assert answer.status == 200
    fields = minted(answer._replace(status=201))
    assert fields.fields == dict.fromkeys(FILE_FIELDS) | {"uploadId": "f-1", "parts": [PART | {"byteEnd": 11}]}
    assert (fields.vendor, fields.facts, fields.expires_at) == ("spatialgen", set(), "2999-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2999-01-01T02:00:00+02:00", "2999-01-01T00:00:00Z"),
        ("2999-01-01T00:00:00.999", "2999-01-01T00:00:00Z"),
        (None, None),
        ("soon", None),
        (32503680000, None),
        ({}, None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_a_urls_expiry_is_in_utc_or_null(begun: Upload, theirs: Any, ours: str | None) -> None:
    body = response_to(begun, "part-urls", SIGNED | {"parts": [PART | {"expiresAt": theirs}]}).body
    assert (body["parts"][0]["expiresAt"], body["mint"]["expires_at"]) == (ours, ours)


def test_the_mint_expires_with_the_first_url(begun: Upload) -> None:
    ends = ["2998-01-01T00:00:00Z", "2997-01-01T00:00:00Z", None]
    parts = [PART | {"partNumber": number, "expiresAt": end} for number, end in enumerate(ends, 1)]
    assert response_to(begun, "part-urls", SIGNED | {"parts": parts}).body["mint"]["expires_at"] == ends[1]


def test_the_record_has_the_file_and_the_fingerprint_of_the_first_url(
    begun: Upload, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    response_to(begun, "part-urls", SIGNED)
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (record["outcome"], record["subject"]) == ("signed", "upload#s-1#f-1")
    assert (record["caller"]["sub"], len(record["token_sha256"])) == ("alice", 64)
    assert PART["url"] not in json.dumps(record)


def test_signing_a_part_that_does_not_exist_is_invalid(begun: Upload) -> None:
    twin_of(begun.function).part_bytes = 4
    assert said(started(begun.function, video(size=9)).sign(4)) == INVALID.of(400)


def test_a_new_url_replaces_an_expired_one(begun: Upload) -> None:
    begun = started(begun.function)
    first = begun.sign().body["parts"][0]
    assert moment(first["expiresAt"]) > datetime.now(UTC)
    begun.function.twin.skew = 3601.0
    assert requests.put(first["url"], data=b"0123456789", timeout=5).status_code == 403
    assert put(begun.sign().body["parts"], b"0123456789")


# Completion


def test_a_completion_has_the_documented_fields_only(begun: Upload) -> None:
    body = response_to(begun, "complete", COMPLETED | LOUD).body
    assert body == dict.fromkeys(FILE_FIELDS) | COMPLETED


def test_a_repeated_completion_gets_the_same_response(begun: Upload) -> None:
    begun = started(begun.function)
    put(begun.sign().body["parts"], b"0123456789")
    assert [begun.complete().body["libraryId"] for _ in range(3)] == [4824] * 3
    assert said(begun.sign()) == NOT_FOUND.of(409)


def test_completing_parts_that_are_not_in_storage_is_invalid(begun: Upload) -> None:
    begun = started(begun.function)
    assert said(begun.complete()) == INVALID.of(400)
    assert said(begun.complete({"partNumber": 1, "etag": ETAG})) == INVALID.of(400)


# Requests and replies

PART_NUMBERS: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, ["partNumbers"]),
    "null": ({"partNumbers": None}, ["partNumbers"]),
    "none": ({"partNumbers": []}, ["partNumbers"]),
    "both ways": ({"partNumbers": [1], "startPartNumber": 1, "count": 1}, ["partNumbers"]),
    "a way and a half": ({"partNumbers": [1], "count": 1}, ["partNumbers"]),
    "a start": ({"startPartNumber": 1}, ["partNumbers"]),
    "a count": ({"count": 1}, ["partNumbers"]),
    "part 0": ({"partNumbers": [0]}, ["partNumbers[0]"]),
    "part 10001": ({"partNumbers": [1, 10_001]}, ["partNumbers[1]"]),
    "a text": ({"partNumbers": ["1"]}, ["partNumbers[0]"]),
    "too many": ({"partNumbers": list(range(1, 1002))}, ["partNumbers"]),
    "too large a count": ({"startPartNumber": 1, "count": 1001}, ["count"]),
    "no count": ({"startPartNumber": 1, "count": 0}, ["count"]),
    "a start at 0": ({"startPartNumber": 0, "count": 1}, ["startPartNumber"]),
    "an unknown field": ({"partNumbers": [1], "url": "a"}, ["url"]),
}

PARTS: dict[str, tuple[Any, list[str]]] = {
    "none": ({"parts": []}, ["parts"]),
    "an object": ({"parts": {}}, ["parts"]),
    "a number": ({"parts": 5}, ["parts"]),
    "a list of numbers": ({"parts": [1]}, ["parts", "parts[0]"]),
    "a gap": ({"parts": [{"partNumber": 1, "etag": ETAG}, {"partNumber": 3, "etag": ETAG}]}, ["parts"]),
    "not the first": ({"parts": [{"partNumber": 2, "etag": ETAG}]}, ["parts"]),
    "one twice": ({"parts": [{"partNumber": 1, "etag": ETAG}, {"partNumber": 1, "etag": ETAG}]}, ["parts"]),
    "no ETag": ({"parts": [{"partNumber": 1}]}, ["parts[0].etag"]),
    "an ETag with a line break": ({"parts": [{"partNumber": 1, "etag": "a\nb"}]}, ["parts[0].etag"]),
    "an unknown field": ({"parts": [{"partNumber": 1, "etag": ETAG, "size": 5}]}, ["parts[0].size"]),
}


@pytest.mark.parametrize(
    ("step", "body", "fields"),
    [("part-urls", *case) for case in PART_NUMBERS.values()] + [("complete", *case) for case in PARTS.values()],
    ids=[f"part-urls {name}" for name in PART_NUMBERS] + [f"complete {name}" for name in PARTS],
)
def test_invalid_parts_are_refused_without_a_call(begun: Upload, step: str, body: Any, fields: list[str]) -> None:
    answer = begun.step(step, body)
    assert said(answer) == INVALID
    assert faults(answer) == fields
    assert begun.function.twin.calls == []


def test_ten_thousand_parts_can_be_completed_and_a_thousand_signed(begun: Upload) -> None:
    parts = [{"partNumber": number, "etag": ETAG} for number in range(1, 10_001)]
    answer = response_to(begun, "complete", COMPLETED)
    assert begun.complete(*parts).status == answer.status == 200
    begun.function.twin.reset()
    url = "https://storage.example/" + "x" * 3500
    many = [PART | {"partNumber": number, "url": url} for number in range(1, 1001)]
    begun.function.twin.fault(Fault(path=UPLOADS, body=SIGNED | {"parts": many}))
    signed = begun.step("part-urls", {"startPartNumber": 1, "count": 1000})
    assert (signed.status, len(signed.body["parts"])) == (200, 1000)
    assert len(signed.raw["body"]) < 6_000_000


def test_a_large_invalid_body_gets_a_small_response(begun: Upload) -> None:
    assert said(begun.step("complete", " " * (1024 * 1024 + 1))) == TOO_LARGE
    for bomb in ('{"parts":[' + "0," * 500_000 + "0]}", json.dumps({str(name): 0 for name in range(60_000)})):
        answer = begun.step("complete", bomb)
        assert said(answer) == INVALID
        assert len(answer.raw["body"]) < 256 * 1024


def test_ids_in_the_body_do_not_replace_those_in_the_path(function: Fresh) -> None:
    begun, other = started(function("spatialgen")), started(function("spatialgen"), sub="bob")
    body = {"partNumbers": [1], "sessionId": other.session, "uploadId": other.files[0]["uploadId"]}
    assert begun.step("part-urls", body).body["uploadId"] == begun.files[0]["uploadId"]


UNUSABLE: dict[str, list[Any]] = {
    "part-urls": [
        *({}, [], "null", {"uploadId": "f-1"}),
        *(SIGNED | {"parts": []}, SIGNED | {"parts": {}}, SIGNED | {"uploadId": 5}),
        *(SIGNED | {"parts": [PART | {"url": url}]} for url in ("", "javascript:alert(1)", "https://a b", None, 5)),
        *(SIGNED | {"parts": [PART | {name: "1"}]} for name in ("partNumber", "sizeBytes", "byteStart")),
    ],
    "complete": [{}, [], "", COMPLETED | {"libraryId": "7"}, COMPLETED | {"status": {}}],
}


@pytest.mark.parametrize("step", UNUSABLE)
def test_an_unusable_reply_is_malformed(begun: Upload, step: str) -> None:
    for body in UNUSABLE[step]:
        begun.function.twin.reset()
        assert said(response_to(begun, step, body)) == MALFORMED.of(200), body
