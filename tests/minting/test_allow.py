"""What callers may choose: names that are listed, and those that are their own."""

import pytest

from minting.allow import expand_caller, fields_not_allowed
from minting.bodies import Body
from minting.callers import Caller
from minting.settings import AllowList, FunctionSettings

CALLER = Caller("https://issuer.example", "alice")
ME, OTHER = CALLER.id, Caller("https://issuer.example", "bob").id
CHOICES = {"name": "names"}


class Names(FunctionSettings, frozen=True, kw_only=True):
    names: AllowList


class One(Body, frozen=True):
    name: str | None = None


class Some(Body, frozen=True):
    name: list[str]


def chosen(body: One | Some, listed: str) -> str | list[str] | None:
    """What the operation is given; None where it is refused."""
    body = expand_caller(body, CHOICES, CALLER)
    errors = list(fields_not_allowed(body, CHOICES, Names(names=AllowList(listed)), CALLER))
    assert {error.field for error in errors} <= {"name"}
    return None if errors else body.name


@pytest.mark.parametrize(
    ("listed", "asked", "held"),
    [
        ("{caller}", "{caller}", ME),
        ("{caller}", ME, ME),
        ("{caller}", OTHER, None),
        ("{caller}", ME[:-1], None),
        ("{caller}", "", None),
        ("a-{caller}-b,c", "a-{caller}-b", f"a-{ME}-b"),
        ("a-{caller}-b,c", f"a-{ME}-b", f"a-{ME}-b"),
        ("a-{caller}-b,c", f"a-{OTHER}-b", None),
        ("a-{caller}-b,c", "{caller}", None),
        ("a-{caller}-b,c", "c", "c"),
        ("{caller}", "{{caller}}", None),
        ("{caller}", f"{{cal{ME}ler}}", None),
        ("{caller}", "{cal{caller}ler}", None),
        (OTHER, OTHER, OTHER),
        ("*", f"{{caller}}-{OTHER}", f"{ME}-{OTHER}"),
        ("", "{caller}", None),
    ],
)
def test_a_caller_in_a_listed_name_is_the_caller_who_asks(listed: str, asked: str, held: str | None) -> None:
    assert chosen(One(asked), listed) == held
    assert chosen(Some([asked]), listed) == (None if held is None else [held])


def test_all_of_a_list_must_be_offered() -> None:
    assert chosen(Some(["a", "{caller}"]), "a,{caller}") == ["a", ME]
    assert chosen(Some(["a", OTHER]), "a,{caller}") is None


@pytest.mark.parametrize("body", [One(None), Some([])])
def test_what_is_not_sent_needs_no_list(body: One | Some) -> None:
    assert not list(fields_not_allowed(expand_caller(body, CHOICES, CALLER), CHOICES, Names(names=AllowList()), CALLER))


@pytest.mark.parametrize("asked", ["ab", "AB", "aB", "Ab\u200b", "\uff21b"])
def test_only_the_listed_spelling_is_offered(asked: str) -> None:
    assert chosen(One("Ab"), "Ab") == "Ab"
    assert chosen(One(asked), "Ab") is None
    assert chosen(Some(["Ab", asked]), "Ab") is None
