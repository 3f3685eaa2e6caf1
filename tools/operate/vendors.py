"""The vendors' own functions on the operator's machine: what their secrets hold, and whether the vendor accepts a key."""

import importlib
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from types import ModuleType
from typing import Any

import msgspec

from local.functions import load_module
from minting.callers import Caller
from minting.deadline import Deadline
from minting.keys import Key
from minting.operations import Request
from minting.vendor import Vendor
from tools.operate.samples import mint_body
from tools.stages import ROOT

DECLARED: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "functions/catalogue/declared.json").read_bytes())
"""What clients must know about each vendor's credentials, deployed or not."""

NOWHERE = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9",
}
"""A function reads its secret when it starts. Here it must not, so it meets a port on which nothing listens."""

SECONDS = 20.0
"""The longest time for a test: the functions' own deadline."""

OPERATOR = Caller("https://operator.invalid", "operator")
"""The caller of a test. No limit counts it, and no record has it."""


class UntestedError(Exception):
    """Nothing at the vendor tells whether the key is good. The text says why."""


def load(vendor: str, settings: Mapping[str, str]) -> ModuleType:
    """The vendor's function with these settings. Raises ValueError for settings that it does not accept."""
    return load_module(vendor, {**settings, **NOWHERE})


def shape_of(function: ModuleType) -> type[Key]:
    """What the vendor's secret holds."""
    return _vendor(function).key_shape


def try_key(vendor: str, function: ModuleType, key: Key) -> None:
    """Asks the vendor with the key, through the function's own code. Raises Problem or UntestedError."""
    deadline = Deadline(SECONDS)
    with redirect_stdout(StringIO()):  # a function writes its metrics there
        TRIALS.get(vendor, _mint)(function, Request(OPERATOR, deadline, None, key))
    if not deadline.meter.vendor_seconds:
        raise UntestedError(f"{vendor} has no harmless call")


def _mint(function: ModuleType, request: Request[Any]) -> None:
    """Mints the shortest credential, which nobody gets. A vendor whose mint takes a slot needs a trial of its own."""
    vendor = _vendor(function)
    declared = DECLARED[vendor.name]
    operation, handler = vendor.find(declared["mint"][0])
    choices = {field: list(getattr(vendor.settings, name)) for field, name in operation.allow.items()}
    public = {field: getattr(vendor.settings, name) for field, name in operation.public.items()}
    ttl = {declared["ttl"]["field"]: declared["ttl"]["minimum"]} if (declared["ttl"] or {}).get("field") else {}
    try:
        body = msgspec.convert(mint_body(choices, public) | ttl, operation.body)
    except msgspec.ValidationError as lack:
        raise UntestedError(f"this stack's lists allow nothing to try it with ({lack})") from None
    handler(body, request)


def _sign_in(function: ModuleType, request: Request[Any]) -> None:
    """Odyssey's first call: it takes no slot."""
    _sibling(function, "service").sign_in.access_token(request)


def _list_videos(function: ModuleType, request: Request[Any]) -> None:
    """SpatialGen's list, for which the readonly key is. Nothing harmless takes the upload key."""
    reads = _sibling(function, "reads")
    if request.key.readonly is None:
        raise UntestedError("spatialgen has no harmless call for an upload key")
    reads.list_videos(reads.VideosRequest(limit=1), request)


TRIALS: Mapping[str, Callable[[ModuleType, Request[Any]], None]] = {"odyssey": _sign_in, "spatialgen": _list_videos}
"""The harmless call of a vendor whose mint takes a slot or asks nobody."""


def _sibling(function: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{function.__package__}.{name}")


def _vendor(function: ModuleType) -> Vendor[Any, Any]:
    vendor = function.handler.__self__
    assert isinstance(vendor, Vendor)  # noqa: S101 - the commands know vendors only
    return vendor
