"""The catalogue of failures and the problem+json object that is made of it."""

import json

import msgspec
import pytest

from minting.problems import CATALOGUE, FieldError, KeyRejected, Problem

STATUSES = {
    400: {"invalid_request"},
    401: {"unauthenticated"},
    403: {"not_allowed"},
    404: {"not_found"},
    409: {"not_revocable", "not_extendable", "in_progress"},
    413: {"body_too_large"},
    415: {"not_json"},
    429: {"quota_exceeded"},
    500: {"internal_error"},
    502: {"vendor_key_rejected", "vendor_error", "vendor_malformed"},
    503: {
        *("vendor_busy", "no_capacity", "vendor_unavailable", "not_configured", "key_unavailable"),
        *("limits_unavailable", "vendor_stopped"),
    },
    504: {"vendor_timeout"},
}
ALWAYS = {"type", "title", "status", "detail", "instance", "code", "retryable", "fault"}


def test_every_code_of_the_contract_has_its_status() -> None:
    assert {code: kind.status for code, kind in CATALOGUE.items()} == {
        code: status for status, codes in STATUSES.items() for code in codes
    }


def test_a_status_tells_whose_fault_it_is() -> None:
    for kind in CATALOGUE.values():
        assert (kind.fault == "caller") is (kind.status < 500)
        assert kind.fault in {"caller", "operator", "vendor"}


def test_titles_are_unique() -> None:
    assert len({kind.title for kind in CATALOGUE.values()}) == len(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_problem_has_the_members_that_are_known_and_no_others(code: str) -> None:
    members = Problem(code, "why").members("urn:uuid:1")
    assert members.keys() == ALWAYS
    kind = CATALOGUE[code]
    assert (members["status"], members["title"], members["fault"]) == (kind.status, kind.title, kind.fault)
    assert (members["code"], members["detail"], members["instance"]) == (code, "why", "urn:uuid:1")
    assert members["type"] == f"urn:problem-type:avatar-mint:{code}"


def test_what_is_known_is_said() -> None:
    fault = FieldError("files[0].size", "Too small")
    problem = Problem("vendor_busy", "why", retry_after=0, vendor_status=429, vendor_code=36, errors=[fault])
    members = json.loads(msgspec.json.encode(problem.members("urn:uuid:1")))
    assert members.keys() == ALWAYS | {"retry_after", "vendor_status", "vendor_code", "errors"}
    assert (members["retry_after"], members["vendor_code"]) == (0, 36)
    assert members["errors"] == [{"field": "files[0].size", "message": "Too small"}]


def test_fault_and_retryable_can_be_set_apart_from_the_catalogue() -> None:
    members = Problem("no_capacity", "why", fault="operator", retryable=False).members("")
    assert (members["fault"], members["retryable"]) == ("operator", False)


def test_a_code_outside_the_catalogue_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        Problem("oops", "why")


def test_a_note_for_the_operator_is_not_for_the_caller() -> None:
    problem = KeyRejected("vendor_key_rejected", "why")
    problem.add_note("the secret's name")
    assert "the secret's name" not in json.dumps(problem.members(""))
