"""The client of AWS: where it asks, what it asks again, and what it knows after a failure."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import takewhile
from unittest.mock import Mock

import pytest
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from minting import aws, connections
from minting.aws import DYNAMODB, SECRETS_MANAGER, CallFailed, Client
from minting.deadline import Deadline
from minting.settings import Account
from minting.table import Table, Write
from tests.conftest import Clock
from tests.minting.conftest import Names
from tests.minting.raw import RawServer

REQUEST = {"TableName": "t"}


def answer(status: int, body: object, *, length: int | None = None) -> bytes:
    """An HTTP answer. With a `length` that is not the body's, it breaks off."""
    text = body if isinstance(body, str) else json.dumps(body)
    return f"HTTP/1.1 {status} X\r\nContent-Length: {length or len(text)}\r\n\r\n{text}".encode()


WELL = answer(200, {"Item": {}})
DROPPED = b""
CUT = answer(200, "{", length=99)
TROUBLE = answer(500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "?"})
UNREADABLE_TROUBLE = answer(503, "<html>")
UNREADABLE = answer(200, "<html>")
REFUSED = answer(400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "?"})
MOVED = answer(307, "")
IN_PROGRESS = answer(400, {"__type": "com.amazonaws.dynamodb.v20120810#TransactionInProgressException", "Message": "?"})


class Aws:
    """AWS, which gives its answers in turn. After DROPPED or CUT it hangs up. `asked` holds the requests' operations."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = iter(answers)
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.bodies: list[dict[str, object]] = []
        self.server = RawServer(self._serve)

    def _serve(self, connection: socket.socket) -> None:
        request = connection.makefile("rb")
        while head := list(takewhile(bytes.strip, request)):  # ends at the empty line, and at the client's end
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])}
            self.bodies.append(json.loads(request.read(int(fields[b"content-length"]))))
            self.asked.append(fields[b"x-amz-target"].decode().partition(".")[2])
            self.heads.append(b"".join(head))
            told = next(self.answers)
            connection.sendall(told)
            if told in {DROPPED, CUT}:
                return


@pytest.fixture
def answering(account: Callable[[str], None]) -> Iterator[Callable[..., Aws]]:
    """`answering(answer, ...)`: AWS that gives these answers."""
    with ExitStack() as running:

        def start(*answers: bytes) -> Aws:
            stand_in = Aws(list(answers))
            running.enter_context(stand_in.server)
            account(stand_in.server.url)
            return stand_in

        yield start


def outcome(*, once: bool = False) -> str | tuple[str | None, bool]:
    """What a call ends with: `done`, or the failure's code, and whether AWS may have made the change."""
    try:
        Client(DYNAMODB).call("UpdateItem", REQUEST, Deadline(5), once=once)
    except CallFailed as failure:
        return failure.code, failure.unsure
    return "done"


@pytest.mark.parametrize("trouble", [DROPPED, CUT, TROUBLE, UNREADABLE_TROUBLE, UNREADABLE])
def test_a_call_without_a_good_answer_is_made_again_unless_it_may_be_made_once_only(
    answering: Callable[..., Aws], trouble: bytes
) -> None:
    stand_in = answering(trouble, WELL, trouble)
    assert (outcome(), stand_in.asked) == ("done", ["UpdateItem"] * 2)
    ended = outcome(once=True)
    assert (ended[1], len(stand_in.asked)) == (True, 3)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        *((DROPPED, None), (CUT, None), (TROUBLE, "InternalServerError")),
        *((UNREADABLE_TROUBLE, "503"), (UNREADABLE, "200")),
    ],
)
def test_after_two_bad_answers_nobody_knows_whether_the_change_was_made(
    answering: Callable[..., Aws], trouble: bytes, code: str | None
) -> None:
    stand_in = answering(trouble, trouble)
    assert (outcome(), len(stand_in.asked)) == ((code, True), 2)


def test_a_transaction_that_is_still_being_made_may_be_made(answering: Callable[..., Aws]) -> None:
    stand_in = answering(DROPPED, IN_PROGRESS)
    assert (outcome(), len(stand_in.asked)) == (("TransactionInProgressException", True), 2)


def test_a_transaction_that_is_sent_again_has_the_same_token_and_after_a_conflict_another(
    answering: Callable[..., Aws],
) -> None:
    conflict = {"__type": "x#TransactionCanceledException", "CancellationReasons": [{"Code": "TransactionConflict"}]}
    stand_in = answering(DROPPED, answer(400, conflict), WELL)
    Table("v", "t").transact([Write("k", "SET #a = :a", "", {"a": 1})], Deadline(5))
    first, again, later = (str(body["ClientRequestToken"]) for body in stand_in.bodies)
    assert first == again != later
    assert 1 <= len(first) <= 36


@pytest.mark.parametrize(("refusal", "code"), [(REFUSED, "AccessDeniedException"), (MOVED, "307")])
def test_a_refusal_is_final_and_nothing_was_changed(answering: Callable[..., Aws], refusal: bytes, code: str) -> None:
    stand_in = answering(refusal)
    assert (outcome(), len(stand_in.asked)) == ((code, False), 1)


@pytest.mark.parametrize("once", [False, True])
def test_a_call_that_never_left_is_tried_again_and_nothing_was_changed(
    account: Callable[[str], None], names: Names, once: bool
) -> None:
    tries = Mock(side_effect=names._look_up)
    names._look_up = tries
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        account(f"http://localhost:{held.getsockname()[1]}")
        assert outcome(once=once) == (None, False)
    assert tries.call_count == 2


def test_the_second_try_has_the_time_that_the_first_has_left(
    account: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "TRY_SECONDS", 0.1)
    with RawServer(lambda connection: connection.recv(1) and server.ended.wait()) as server:
        account(server.url)
        assert outcome() == (None, True)
        assert server.connections == 2


def test_calls_to_both_services_share_connections_that_stay_open(answering: Callable[..., Aws]) -> None:
    stand_in = answering(*[WELL] * 3)
    table, secrets = Client(DYNAMODB), Client(SECRETS_MANAGER)
    for client in (table, secrets, table):
        client.call("Any", {}, Deadline(5))
    assert stand_in.server.connections == 1


def test_a_connection_that_idled_too_long_is_not_used_again(
    answering: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(connections, "monotonic", clock)
    stand_in = answering(*[WELL] * 3)
    opened = []
    for seconds in (0, connections.IDLE_SECONDS - 1, connections.IDLE_SECONDS):
        clock.now += seconds
        assert outcome() == "done"
        opened.append(stand_in.server.connections)
    assert opened == [1, 1, 2]


def test_a_session_token_is_sent_and_signed(answering: Callable[..., Aws], monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = answering(WELL)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session")
    assert outcome() == "done"
    assert b"x-amz-security-token: the-session\r\n" in stand_in.heads[0]
    assert b"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target" in stand_in.heads[0]


RESOLVER = EndpointResolver(create_loader().load_data("endpoints"))


def given(region: str, **endpoints: str) -> Account:
    return Account(aws_region=region, aws_access_key_id="", aws_secret_access_key="", **endpoints)


@pytest.mark.parametrize("service", [DYNAMODB, SECRETS_MANAGER], ids=lambda service: service.name)
@pytest.mark.parametrize("partition", RESOLVER.get_available_partitions())
def test_every_region_of_every_partition_has_the_endpoint_that_botocore_knows(
    partition: str, service: aws.Service
) -> None:
    regions = RESOLVER.get_available_endpoints("dynamodb", partition)
    assert regions
    for region in regions:
        known = RESOLVER.construct_endpoint(service.name, region, partition)
        assert known
        assert aws._endpoint(service, given(region)) == f"https://{known['hostname']}/"


@pytest.mark.parametrize(
    ("endpoints", "table", "secrets"),
    [
        ({"aws_endpoint_url": "http://here"}, "http://here/", "http://here/"),
        ({"aws_endpoint_url": "http://here/a/"}, "http://here/a/", "http://here/a/"),
        (
            {"aws_endpoint_url": "http://here", "aws_endpoint_url_dynamodb": "https://vpce.example"},
            "https://vpce.example/",
            "http://here/",
        ),
        (
            {"aws_endpoint_url_secrets_manager": "https://vpce.example"},
            "https://dynamodb.eu-west-1.amazonaws.com/",
            "https://vpce.example/",
        ),
    ],
)
def test_an_endpoint_of_the_teams_own_wins(endpoints: dict[str, str], table: str, secrets: str) -> None:
    account = given("eu-west-1", **endpoints)
    assert (aws._endpoint(DYNAMODB, account), aws._endpoint(SECRETS_MANAGER, account)) == (table, secrets)


def test_an_account_shows_its_credentials_in_no_text() -> None:
    account = Account(aws_region="r", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="a-secret")
    assert "a-secret" not in f"{account} {account!r} {[account]}"
