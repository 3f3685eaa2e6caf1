"""A newcomer deploys two vendors with the README's command that needs no stage."""

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from local.parameters import AUDIENCE, secret
from tests.deploy.machine import blocks

if TYPE_CHECKING:
    from tests.deploy.stack import Stack

TWO = ["convai", "spatius"]


class First(NamedTuple):
    """The newcomer's stack, and what the README's commands printed."""

    stack: "Stack"
    printed: str


@pytest.fixture(scope="module")
def first(any_stack: "Stack") -> First:
    if any_stack.exists():
        any_stack.delete()
    _, commands = blocks("README.md", "Deploy it")
    for example, real in {"https://your-issuer.example": any_stack.stand_ins.issuer.url, "your-app": AUDIENCE}.items():
        assert example in commands
        commands = commands.replace(example, real)
    urls = " ".join(f"{name}={value}" for name, value in any_stack.urls.items())
    return First(any_stack, any_stack.machine.shell(f"{commands.rstrip()} {urls}", stdin="y\n"))


def test_a_stack_without_vendors_is_refused_before_anything_is_made(any_stack: "Stack") -> None:
    nothing = any_stack.stage("nothing")
    done = nothing.deploy(JwtIssuer="https://issuer.example", JwtAudience="app")
    assert done.returncode == 1
    assert "Deploy at least one vendor" in done.stderr
    assert not nothing.exists()


def test_the_readmes_command_deploys_what_it_names_after_asking(first: First) -> None:
    assert "Deploy this changeset?" in first.printed
    assert first.stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert first.stack.offered() == TWO


def test_a_vendor_that_is_not_deployed_has_no_route(first: First) -> None:
    assert first.stack.mint("livekit", "alice").status == 404


def test_a_vendor_without_a_key_says_so_and_its_record_says_why(first: First) -> None:
    answer = first.stack.mint("convai", "alice")
    assert (answer.status, answer.body["code"]) == (503, "not_configured")
    record = first.stack.records("convai")[-1]
    assert "ResourceNotFoundException" in json.dumps(record["notes"])


def test_the_printed_command_sets_a_key_with_which_the_vendor_mints(first: First) -> None:
    set_key = first.stack.outputs()["SetKey"].replace("VENDOR=VENDOR", "VENDOR=spatius").replace("=STAGE", "=default")
    first.stack.machine.shell(set_key, stdin=f"{json.dumps(secret('spatius'))}\n")
    assert first.stack.mint("spatius", "alice").status == 201
