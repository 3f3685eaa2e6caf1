"""What docs/operating.md tells an operator to do, and what is there to look at."""

import hashlib
import json
from collections.abc import Callable
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from local.parameters import secret
from tests.deploy.machine import blocks
from tests.vendors import FUNCTIONS

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.deploy.aws import Emulator
    from tests.deploy.stack import Answer, Stack


def test_the_documented_commands_stop_a_vendor_and_put_it_back(stack: "Stack") -> None:
    stop, resume = blocks("docs/operating.md", "Stop a vendor at once")
    stack.machine.shell(stop)
    refused = within_seconds(6, lambda: code(stack.mint("convai", "dave")), "vendor_stopped")
    tried = smoke(stack)
    stack.machine.shell(resume)
    assert refused
    assert tried.returncode
    assert "make resume VENDOR=convai STAGE=default" in tried.stdout
    assert within_seconds(6, lambda: code(stack.mint("convai", "dave")), "")


def code(answer: "Answer") -> str:
    return str(answer.body.get("code", ""))


def smoke(stack: "Stack") -> "CompletedProcess[str]":
    """What `make smoke` says."""
    (command,) = blocks("docs/operating.md", "Try every vendor")
    return stack.machine.run("bash", "-c", command, stdin=stack.token("smoke"))


def within_seconds(seconds: float, asked: Callable[[], str], wanted: str) -> bool:
    """Whether the answer is as wanted by then. An environment hears of a stop within five seconds."""
    end = monotonic() + seconds
    while asked() != wanted and monotonic() < end:
        sleep(0.5)
    return asked() == wanted


def test_a_mint_leaves_one_record_and_no_key_or_token_is_logged(stack: "Stack") -> None:
    answer = stack.mint("convai", "frank")
    token = answer.body["apiAuthToken"]
    (record,) = [each for each in stack.records("convai") if each["mint_id"] == answer.body["mint"]["id"]]
    assert record["caller"]["sub"] == "frank"
    assert record["outcome"] == "minted"
    assert record["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    logged = json.dumps(stack.log())
    assert token not in logged
    assert secret("convai")["api_key"] not in logged


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_role_allows_its_own_part_and_nothing_else(
    stack: "Stack", emulator: "Emulator", function: str
) -> None:
    may = Role(stack, emulator, function)
    own, others = may.secrets()
    assert may.all_of(own, "secretsmanager:GetSecretValue")
    assert may.none_of(others, "secretsmanager:GetSecretValue")
    assert may.none_of(own + others, "secretsmanager:PutSecretValue")
    assert may.none_of([may.table], "dynamodb:Scan", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem")
    assert may.none_of(["*"], "s3:GetObject", "iam:PassRole", "lambda:InvokeFunction")
    assert may.all_of([may.log], "logs:PutLogEvents")
    assert may.none_of([may.log.replace(stack.name, "others")], "logs:CreateLogStream", "logs:PutLogEvents")


class Role:
    """The role of one function, as IAM's policy simulator decides."""

    def __init__(self, stack: "Stack", emulator: "Emulator", function: str) -> None:
        self._stack, self._iam, self._function = stack, emulator.client("iam"), function
        self._configuration = stack.function(function)
        account = ":".join(self._configuration["FunctionArn"].split(":")[3:5])
        self.table = f"arn:aws:dynamodb:{account}:table/{stack.resources()['LimitsTable']}"
        self.log = f"arn:aws:logs:{account}:log-group:{self._configuration['LoggingConfig']['LogGroup']}:log-stream:any"

    def secrets(self) -> tuple[list[str], list[str]]:
        """ARNs of its own, if it has one, and of the others."""
        secrets = self._stack.secrets()
        own = [arn for vendor, arn in secrets.items() if vendor == self._function]
        return own, [arn for arn in secrets.values() if arn not in own]

    def all_of(self, resources: list[str], *actions: str) -> bool:
        return not resources or set(self._decide(resources, actions)) == {"allowed"}

    def none_of(self, resources: list[str], *actions: str) -> bool:
        return "allowed" not in self._decide(resources, actions)

    def _decide(self, resources: list[str], actions: tuple[str, ...]) -> list[str]:
        """One resource at a time: the emulator looks at the first alone."""
        role = self._configuration["Role"]
        return [
            result["EvalDecision"]
            for resource in resources
            for result in self._iam.simulate_principal_policy(
                PolicySourceArn=role, ResourceArns=[resource], ActionNames=list(actions)
            )["EvaluationResults"]
        ]


def test_the_documented_command_blocks_a_caller_by_its_name_or_by_a_leaked_token(stack: "Stack") -> None:
    by_name, by_token = blocks("docs/operating.md", "Block a caller")
    by_name = by_name.replace("https://issuer.example.com", stack.stand_ins.issuer.url)
    leaked = stack.mint("convai", "mallory").body["apiAuthToken"]
    stack.machine.shell(by_token, stdin=leaked)
    stack.machine.shell(by_name)
    assert [code(stack.mint("convai", sub)) for sub in ("mallory", "alice")] == ["not_allowed"] * 2
    assert code(stack.mint("trulience", "mallory")) == "not_allowed"
    stack.machine.shell(by_name.replace("make block", "make unblock"))
    assert code(stack.mint("convai", "alice")) == ""


def test_the_documented_commands_rotate_a_key_and_take_it_back(stack: "Stack") -> None:
    (back,) = blocks("docs/operating.md", "Rotate a key")
    rotate = back.replace(" ARGS=--back", "")
    twin = stack.stand_ins.twins["convai"]
    new = json.dumps({"api_key": twin.issue_key(twin.local_key)})
    said = stack.machine.shell(rotate, stdin=new) + stack.machine.shell(back)
    assert new not in said
    assert stack.mint("convai", "after-rotation").status == 201


def test_a_key_that_the_vendor_rejects_is_not_written(stack: "Stack") -> None:
    (set_key,) = blocks("docs/operating.md", "Set a key")[:1]
    refused = stack.machine.run("bash", "-c", set_key, stdin='{"api_key": "never-issued"}')
    assert refused.returncode
    assert "rejects this key with status 401" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "never-issued" not in refused.stdout + refused.stderr
    assert stack.mint("convai", "still-works").status == 201


def test_the_documented_command_shows_what_is_used(stack: "Stack") -> None:
    stack.mint("convai", "somebody")
    (status,) = blocks("docs/operating.md", "See what is used")
    (shown,) = [line for line in stack.machine.shell(status).splitlines() if line.startswith("convai")]
    assert int(shown.split()[1].partition("/")[0]) > 0


def test_the_documented_command_mints_from_every_vendor(stack: "Stack") -> None:
    tried = smoke(stack)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    shown = [line.split() for line in tried.stdout.splitlines()]
    assert {(vendor, mark) for vendor, mark, *_ in shown} == {(vendor, "ok") for vendor in stack.offered()}


def test_the_documented_command_says_who_got_a_token(stack: "Stack") -> None:
    (who_got,) = [
        block
        for block in blocks("docs/operating.md", "Who got this token? What did this caller mint?")
        if "who-got" in block
    ]
    token = stack.mint("convai", "nina").body["apiAuthToken"]
    said = stack.machine.shell(who_got, stdin=token)
    assert "nina" in said
    assert token not in said
