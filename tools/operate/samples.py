"""A request that a deployment accepts, made of its own lists."""

from collections.abc import Iterable, Mapping

ANY = "*"
"""In an allow-list: any value. It names none to try."""


def mint_body(choices: Mapping[str, Iterable[str]], public: Mapping[str, str]) -> dict[str, str]:
    """A mint's body: for each field with an allow-list, the public value of that name, or else the list's first one.

    A field whose list names nothing is left out.
    """
    named = {field: sorted(set(listed) - {ANY}) for field, listed in choices.items()}
    return {field: public.get(field) or values[0] for field, values in named.items() if values}
