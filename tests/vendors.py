"""The functions, the vendors among them, and the event that mints at each: read from the project, so a new one is among them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local import parameters
from local.template import read
from local.twins import twins

ROOT = Path(__file__).parents[1]
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
DECLARED: dict[str, dict[str, Any]] = json.loads((ROOT / "functions/catalogue/declared.json").read_bytes())
EVENTS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_bytes()) for path in sorted((ROOT / "events").glob("*.json"))
}


def _variables() -> dict[str, Any]:
    """The environment that template.yaml gives each function, by the function's folder."""
    resources = read(ROOT / "template.yaml")["Resources"].items()
    functions = {name: block for name, block in resources if block["Type"] == "AWS::Serverless::Function"}
    return {
        name.removesuffix("Function").lower(): block["Properties"].get("Environment", {}).get("Variables", {})
        for name, block in functions.items()
    }


VARIABLES = _variables()
VENDORS = [name for name in FUNCTIONS if name not in VARIABLES or "API_KEY_SECRET" in VARIABLES[name]]
"""A function without a key is no vendor's: it has no twin and no limits, and tests/test_template.py holds it to that."""


def _mint(vendor: str) -> str:
    """The event of the first route that the vendor's function declares to mint."""
    routes = DECLARED[vendor]["mint"] if vendor in DECLARED else []
    named = [name for name, event in EVENTS.items() if event["routeKey"] in routes[:1]]
    return named[0] if named else f"{vendor}-mint"


MINTS = {vendor: _mint(vendor) for vendor in VENDORS}


def lacking(vendor: str) -> Iterator[str]:
    """What the tests of every vendor need of this one and do not find: a sentence each, with the file to add it to."""
    if vendor not in VARIABLES:
        yield f"{vendor} lacks a function in template.yaml: add one (docs/adding-a-vendor.md, 2)"
    for event in (MINTS.get(vendor, f"{vendor}-mint"), f"{vendor}-revoke"):
        if event not in EVENTS:
            yield f"{vendor} lacks a sample event: add events/{event}.json (docs/adding-a-vendor.md, 6)"
    if vendor not in DECLARED:
        yield f"{vendor} lacks its facts in functions/catalogue/declared.json: run `make generate`"
    yield from _lacking_secret(vendor)
    for member in ("url_variable", "mint_calls"):
        if vendor in twins() and not hasattr(twins()[vendor], member):
            yield f"{vendor}'s twin lacks {member}: add it in local/twins/{vendor}.py (docs/adding-a-vendor.md, 5)"


def _lacking_secret(vendor: str) -> Iterator[str]:
    try:
        parameters.secret(vendor)
    except ValueError as lack:
        yield f"{lack} (docs/adding-a-vendor.md, 5)"
    except AttributeError:
        yield f"{vendor}'s twin lacks local_key: add it in local/twins/{vendor}.py (docs/adding-a-vendor.md, 5)"


FILL_IN = re.compile(r"FILL IN: (.*?)(?: -->| \|)?$")
"""A place of the skeleton that `make vendor` writes, and what to fill in there."""


def left_to_fill_in(vendor: str) -> list[str]:
    """The places that are not filled in yet, each with its file and line."""
    own = (f"functions/{vendor}/**/*.py", f"local/twins/{vendor}*.py", f"tests/**/test_{vendor}*.py")
    paths = [path for files in (*own, f"docs/vendors/{vendor}.md", "README.md") for path in sorted(ROOT.glob(files))]
    lines = [(path, number, line) for path in paths for number, line in enumerate(path.read_text().splitlines(), 1)]
    found = [(path, number, FILL_IN.search(line)) for path, number, line in lines]
    return [f"{path.relative_to(ROOT)}:{number}: {place[1]}" for path, number, place in found if place]


LACKS = [lack for vendor in VENDORS for lack in lacking(vendor)]
