"""The deployed API, with every vendor: who gets a credential, and who does not."""

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.vendors import VENDORS

if TYPE_CHECKING:
    from tests.deploy.stack import Stack

REFUSED: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60},
    "another audience": {"aud": "another"},
    "another issuer": {"iss": "https://other.example"},
}
"""Claims of tokens that the caller's own issuer has signed."""

GATEWAY, EVENTS = (json.dumps({"Service": f"{name}.amazonaws.com"}) for name in ("apigateway", "events"))
PAGE = {"Access-Control-Request-Method": "POST"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_signed_in_caller_mints_under_the_functions_own_role(stack: "Stack", vendor: str) -> None:
    answer = stack.mint(vendor, "bob")
    assert answer.status in {200, 201}, answer
    assert answer.body["mint"]["vendor"] == vendor


def test_a_vendor_list_names_every_deployed_vendor(stack: "Stack") -> None:
    assert stack.offered() == VENDORS


def test_api_gateway_refuses_a_bad_token_and_no_function_runs(stack: "Stack") -> None:
    before = stack.records("convai")
    tokens: dict[str, str | None] = {why: stack.token("eve", **claims) for why, claims in REFUSED.items()}
    tokens |= {"none": None, "forged": f"{stack.token('eve')[:-6]}AAAAAA"}
    assert {why: stack.mint_with("convai", token).status for why, token in tokens.items()} == dict.fromkeys(tokens, 401)
    assert stack.records("convai") == before


def test_every_route_has_the_authorizer(stack: "Stack") -> None:
    routes = stack.routes()
    assert routes
    assert [r["RouteKey"] for r in routes if r.get("AuthorizationType") != "JWT" or not r.get("AuthorizerId")] == []


def test_only_its_own_routes_and_its_schedule_may_call_a_function(stack: "Stack") -> None:
    schedules: set[str] = set()
    for function, routes in stack.routes_by_function().items():
        statements = stack.permissions(function)
        assert {each["Action"] for each in statements} == {"lambda:InvokeFunction"}
        sources = {json.dumps(each["Principal"]): set[str]() for each in statements}
        for each in statements:
            sources[json.dumps(each["Principal"])].add(each["Condition"]["ArnLike"]["AWS:SourceArn"])
        called = {arn.partition(f":{stack.api}/*/")[2] for arn in sources.pop(GATEWAY)}
        assert called == {re.sub(r"\{[^}]+\}", "*", route).replace(" ", "", 1) for route in routes}
        schedules |= {arn.rpartition("/")[2] for arn in sources.pop(EVENTS, ())}
        assert not sources
    assert schedules == set(stack.resources("AWS::Events::Rule").values())


def test_a_page_at_a_listed_origin_may_call_and_no_other(stack: "Stack") -> None:
    listed = stack.everything["AllowedOrigins"].split(",")[0]
    allowed = stack.call("OPTIONS /v1/convai/tokens", None, headers=PAGE | {"Origin": listed})
    assert allowed.headers["Access-Control-Allow-Origin"] == listed
    refused = stack.call("OPTIONS /v1/convai/tokens", None, headers=PAGE | {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in refused.headers
