"""What the vendors' functions declare of their credentials, for functions/catalogue/declared.json: `make generate` writes it."""

import json
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec

from local.bundle import Bundle
from local.functions import ROOT, load_module

if TYPE_CHECKING:
    from types import ModuleType

DECLARED = ROOT / "functions/catalogue/declared.json"
FACTS = ("single_use", "extendable", "revocable", "takes_slot", "ends_session")


def declared(bundle: Bundle) -> str:
    """The file's text: every vendor that has a key, in order of name."""
    vendors = sorted(vendor for vendor in bundle.functions if "API_KEY_SECRET" in bundle.environment(vendor))
    modules = {vendor: load_module(vendor, bundle.environment(vendor)) for vendor in vendors}
    return json.dumps({vendor: _facts(module) for vendor, module in modules.items()}, indent=2) + "\n"


def _facts(module: "ModuleType") -> dict[str, Any]:
    """Of the operations that mint, which all have the same facts."""
    mints = {route: operation for route, operation in module.vendor.operations.items() if operation.outcome == "minted"}
    operation = next(iter(mints.values()))
    return {
        "mint": list(mints),
        "client_fields": [field.encode_name for field in msgspec.structs.fields(_answer(operation.ask))],
        **{name: getattr(operation.facts, name) for name in FACTS},
        "choices": {field: name.upper() for field, name in operation.choices.items()},
        **_ttl(operation, module.vendor.settings),
    }


def _answer(mint: Any) -> Any:
    """What a function that returns Credential[X] mints: X."""
    return get_args(get_type_hints(mint)["return"])[0]


def _ttl(operation: Any, settings: Any) -> dict[str, Any]:
    """Fixed seconds, or the bounds of the field or the setting that chooses them."""
    ttl = operation.facts.ttl
    if hasattr(settings, str(ttl)):
        return {"ttl": None, "ttl_setting": ttl.upper()}
    if not isinstance(ttl, str):
        fixed = {"minimum": ttl, "maximum": ttl, "default": ttl, "field": None}
        return {"ttl": fixed if ttl else None, "ttl_setting": None}
    field = next(field for field in msgspec.inspect.type_info(operation.body).fields if field.name == ttl)  # type: ignore[attr-defined]
    bounds = {"minimum": field.type.ge, "maximum": field.type.le, "default": field.default}
    return {"ttl": bounds | {"field": field.encode_name}, "ttl_setting": None}


if __name__ == "__main__":
    with Bundle() as bundle:
        DECLARED.write_text(declared(bundle))
