"""Writes functions/catalogue/declared.json, from what the functions declare about their credentials.

Usage: python -m tools.catalogue.
"""

import json
from operator import attrgetter
from typing import Any

import msgspec

from local.bundle import Bundle
from local.functions import ROOT
from minting.vendor import Vendor
from tools.operations import Owner, function_of, owners

DECLARED = ROOT / "functions/catalogue/declared.json"


def declared(bundle: Bundle) -> str:
    """The text of the file: every function that mints, in the order of the folders."""
    traits = {owner.folder: _traits(owner) for owner in sorted(owners(bundle), key=attrgetter("folder"))}
    return json.dumps({folder: of for folder, of in traits.items() if of}, indent=2) + "\n"


def _traits(owner: Owner) -> dict[str, Any]:
    """The traits of a function's credentials. Empty if no route mints."""
    mints = [route for route in owner.routes if route.operation.outcome == "minted"]
    if not mints:
        return {}
    operation = mints[0].operation
    return {
        "mint": [route.route for route in mints],
        "client_fields": [field.encode_name for field in msgspec.structs.fields(mints[0].answer)],
        **operation.traits._asdict(),
        "choices": {field: name.upper() for field, name in operation.allow.items()},
        "public": {field: name.upper() for field, name in operation.public.items()},
        **_ttl(operation, _vendor(owner).settings),
    }


def _ttl(operation: Any, settings: Any) -> dict[str, Any]:
    """The lifetime: fixed seconds, the bounds of a field, or the name of a setting."""
    ttl = operation.traits.ttl
    if hasattr(settings, str(ttl)):
        return {"ttl": None, "ttl_setting": ttl.upper()}
    if not isinstance(ttl, str):
        fixed = {"minimum": ttl, "maximum": ttl, "default": ttl, "field": None}
        return {"ttl": fixed if ttl else None, "ttl_setting": None}
    field = next(field for field in msgspec.inspect.type_info(operation.body).fields if field.name == ttl)  # type: ignore[attr-defined]
    bounds = {"minimum": field.type.ge, "maximum": field.type.le, "default": field.default}
    return {"ttl": bounds | {"field": field.encode_name}, "ttl_setting": None}


def _vendor(owner: Owner) -> Vendor[Any, Any]:
    vendor = function_of(owner.module)
    assert isinstance(vendor, Vendor)  # noqa: S101 - only vendors mint
    return vendor


if __name__ == "__main__":
    with Bundle() as bundle:
        DECLARED.write_text(declared(bundle))
