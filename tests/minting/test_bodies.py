"""Request bodies: whatever comes in, out comes a value of the declared shape or a problem that names every fault."""

import base64
import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minting.bodies import MAX_BODY_BYTES, Body, decode_request
from minting.problems import Problem


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An element of a list."""

    size: Annotated[int, msgspec.Meta(ge=1)]
    note: str = ""


class Sample(Body, frozen=True):
    """A field of every kind that an operation may declare."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{1,8}\Z")]
    seconds: Annotated[int, msgspec.Meta(ge=60, le=3600)] = 120
    items: list[Item] | None = None
    latencies: Annotated[dict[str, int], msgspec.Meta(max_length=2)] | None = None


REFUSALS = {"invalid_request": 400, "body_too_large": 413, "not_json": 415}
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(Sample.__struct_fields__), inner),
    max_leaves=8,
)
any_text = st.text(st.characters())  # lone surrogates too
good_fields: dict[str, st.SearchStrategy[Any]] = {
    "name": st.from_regex(r"\A[a-z]{1,8}\Z"),
    "seconds": st.integers(60, 3600),
    "items": st.lists(st.fixed_dictionaries({"size": st.integers(1, 9)}), max_size=3),
    "latencies": st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
}
optional_fields = {name: values for name, values in good_fields.items() if name != "name"}
bad_fields: dict[str, st.SearchStrategy[Any]] = {
    "name": st.integers() | st.just("") | st.just("UPPER"),
    "seconds": st.text() | st.integers(max_value=59) | st.integers(min_value=3601) | st.just(60.5),
    "items": st.integers() | st.text(),
    "latencies": st.lists(st.integers()) | st.just({"a": 1, "b": 2, "c": 3}),
}


def event(
    body: str | None, content_type: str | None = JSON_TYPE, *, encoded: bool = False, method: str = "POST"
) -> dict[str, Any]:
    headers = {} if content_type is None else {"content-type": content_type}
    return {
        "requestContext": {"http": {"method": method}},
        "headers": headers,
        "body": body,
        "isBase64Encoded": encoded,
    }


def outcome(event: dict[str, Any]) -> Sample | Problem:
    """The decoded value, or the problem it was refused with; anything else raised is a failure of the test."""
    try:
        return decode_request(event, Sample)
    except Problem as problem:
        return problem


def check(event: dict[str, Any]) -> None:
    result = outcome(event)
    if isinstance(result, Problem):
        assert result.kind.status == REFUSALS[result.code]
        assert bool(result.errors) is (result.code == "invalid_request")
        assert all(error.message for error in result.errors)
    else:
        assert msgspec.convert(msgspec.to_builtins(result), Sample) == result


def faults(value: object) -> list[str]:
    result = outcome(event(json.dumps(value)))
    assert isinstance(result, Problem)
    return sorted(error.field for error in result.errors)


@given(json_values)
def test_any_json_value_gives_the_shape_or_a_problem(value: object) -> None:
    check(event(json.dumps(value)))


@given(st.binary() | st.binary(min_size=1).map(lambda raw: b'{"name":"%b"}' % raw))
def test_any_bytes_give_the_shape_or_a_problem(raw: bytes) -> None:
    check(event(base64.b64encode(raw).decode(), encoded=True))


@given(any_text | any_text.map('{{"name":"{}"}}'.format), st.none() | st.just(JSON_TYPE) | st.text(), st.booleans())
def test_any_text_under_any_content_type_gives_the_shape_or_a_problem(
    body: str, content_type: str | None, encoded: bool
) -> None:
    check(event(body, content_type, encoded=encoded))


@given(st.fixed_dictionaries({"name": good_fields["name"]}, optional=optional_fields))
def test_what_is_declared_comes_through_unchanged(sent: dict[str, Any]) -> None:
    result = outcome(event(json.dumps(sent)))
    assert isinstance(result, Sample)
    known = {name: value for name, value in msgspec.to_builtins(result).items() if name in sent}
    assert msgspec.convert(known, Sample) == msgspec.convert(sent, Sample)


@given(st.data(), st.sets(st.sampled_from(sorted(bad_fields)), min_size=1), st.sets(st.sampled_from(["x", "mint", ""])))
def test_every_bad_and_every_unknown_field_is_named_at_once(
    data: st.DataObject, spoilt: set[str], unknown: set[str]
) -> None:
    sent = {name: data.draw((bad_fields if name in spoilt else good_fields)[name]) for name in good_fields}
    assert faults(sent | dict.fromkeys(unknown, 1)) == sorted(spoilt | unknown)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({}, ["name"]),
        ({"Name": "a"}, ["Name", "name"]),
        ({"seconds": 1}, ["name", "seconds"]),
        ({"name": "a", "seconds": True}, ["seconds"]),
        ({"name": "a", "seconds": "120"}, ["seconds"]),
        ({"name": "a", "seconds": 1e400}, [""]),
        ({"name": "a\n"}, ["name"]),
        ({"name": "a\0"}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": "a", "items": [{"size": 1}, {"size": 0}, {}]}, ["items[1].size", "items[2].size"]),
        ({"name": "a", "items": [{"size": 1, "a": 1, "b": 2}]}, ["items[0].a", "items[0].b"]),
        ({"name": "a", "items": [3, "x"]}, ["items[0]", "items[1]"]),
        ([], [""]),
        (None, [""]),
        ("name", [""]),
    ],
)
def test_a_fault_is_named_by_its_path(value: object, fields: list[str]) -> None:
    assert faults(value) == fields


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (event("{", JSON_TYPE), "invalid_request"),
        (event(" ", JSON_TYPE), "invalid_request"),
        (event("{}", None), "not_json"),
        (event("{}", "text/plain"), "not_json"),
        (event("{}", "application/jsonp"), "not_json"),
        (event("", "text/plain"), "not_json"),
        (event("a=b", FORM_TYPE), "not_json"),
        (event("{}", FORM_TYPE), "not_json"),
        (event(" ", FORM_TYPE), "not_json"),
        (event(base64.b64encode(b"a=b").decode(), FORM_TYPE, encoded=True), "not_json"),
        (event("", "multipart/form-data; boundary=x"), "not_json"),
        (event('"' + "x" * MAX_BODY_BYTES, JSON_TYPE), "body_too_large"),
        (event("é" * (MAX_BODY_BYTES // 2 + 1), JSON_TYPE), "body_too_large"),
        (event("%%%", JSON_TYPE, encoded=True), "invalid_request"),
        (event("[" * MAX_BODY_BYTES, JSON_TYPE), "invalid_request"),
        (event('{"a":' * (MAX_BODY_BYTES // 5), JSON_TYPE), "invalid_request"),
        (event("1" * MAX_BODY_BYTES, JSON_TYPE), "invalid_request"),
        (event('{"name":"\\ud800"}', JSON_TYPE), "invalid_request"),
        (event('{"name":"\ud800"}', JSON_TYPE), "invalid_request"),
        (event(base64.b64encode(b'{"name":"\xff"}').decode(), JSON_TYPE, encoded=True), "invalid_request"),
        (event(base64.b64encode(b'\xef\xbb\xbf{"name":"a"}').decode(), JSON_TYPE, encoded=True), "invalid_request"),
    ],
)
def test_what_is_no_json_body_is_refused_by_its_kind(sent: dict[str, Any], code: str) -> None:
    result = outcome(sent)
    assert isinstance(result, Problem)
    assert result.code == code


@pytest.mark.parametrize("content_type", [JSON_TYPE, "Application/JSON", "application/json; charset=utf-8"])
def test_json_may_be_declared_in_any_case_and_with_parameters(content_type: str) -> None:
    assert decode_request(event('{"name":"a"}', content_type), Sample) == Sample("a")


class Empty(Body, frozen=True):
    """An operation that takes nothing."""


@pytest.mark.parametrize(
    "sent",
    [event(None, None), event("", None), event("x", "text/plain", method="GET"), event("[" * 99_999, method="GET")],
)
def test_nothing_sent_and_whatever_a_get_carries_are_the_empty_object(sent: dict[str, Any]) -> None:
    assert decode_request(sent, Empty) == Empty()
    assert decode_request(sent | {"headers": None}, Empty) == Empty()


@pytest.mark.parametrize("content_type", [JSON_TYPE, FORM_TYPE, f"{FORM_TYPE}; charset=utf-8", FORM_TYPE.title()])
@pytest.mark.parametrize("body", ["", None])
@pytest.mark.parametrize("encoded", [True, False])
def test_an_empty_body_is_the_empty_object(content_type: str, body: str | None, encoded: bool) -> None:
    assert decode_request(event(body, content_type, encoded=encoded), Empty) == Empty()


@pytest.mark.parametrize("content_type", [JSON_TYPE, FORM_TYPE])
def test_an_empty_body_lacks_what_is_required(content_type: str) -> None:
    missing = outcome(event("", content_type))
    assert isinstance(missing, Problem)
    assert [(error.field, error.message) for error in missing.errors] == [("name", "Required")]


@pytest.mark.parametrize("written", ["90.0", "9e1", "0.9E+2"])
def test_a_whole_number_may_be_written_as_any_json_number(written: str) -> None:
    assert decode_request(event(f'{{"name": "a", "seconds": {written}}}'), Sample).seconds == 90


@pytest.mark.parametrize("written", ["90.5", "1e400", "-1e400"])
def test_a_number_that_is_not_whole_is_refused(written: str) -> None:
    with pytest.raises(Problem) as refused:
        decode_request(event(f'{{"name": "a", "seconds": {written}}}'), Sample)
    assert [error.field for error in refused.value.errors] == ["seconds"]


def test_a_body_may_have_sixteen_kilobytes_and_not_a_byte_more() -> None:
    small = json.dumps({"name": "a"})
    assert outcome(event(small.ljust(16_384))) == Sample("a")
    refused = outcome(event(small.ljust(16_385)))
    assert isinstance(refused, Problem)
    assert refused.code == "body_too_large"


def test_what_is_base64_but_for_some_characters_is_refused() -> None:
    packed = base64.b64encode(b'{"name": "a"}').decode()
    assert outcome(event(packed, encoded=True)) == Sample("a")
    refused = outcome(event(packed[:4] + "!" + packed[4:], encoded=True))
    assert isinstance(refused, Problem)
    assert refused.code == "invalid_request"


def test_a_query_does_not_rename_what_the_path_names() -> None:
    asked = event(None, None, method="GET") | {"pathParameters": {"name": "path"}, "rawQueryString": "name=query"}
    assert outcome(asked) == Sample("path")


def test_half_a_character_is_refused_and_not_replaced() -> None:
    refused = outcome(event('{"name": "a", "items": [{"size": 1, "note": "\ud800"}]}'))
    assert isinstance(refused, Problem)
    assert refused.code == "invalid_request"
