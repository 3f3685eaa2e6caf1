"""The functions, the vendors among them, and the event that mints at each: read from the folders, so a new one is among them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FUNCTIONS = sorted(folder.name for folder in (ROOT / "functions").iterdir() if folder.is_dir())
VENDORS = [
    name
    for name in FUNCTIONS
    if re.search(r"^vendor = Vendor\(", (ROOT / f"functions/{name}/app.py").read_text(), re.MULTILINE)
]
"""What is none has no key, no twin and no limits: tests/test_template.py holds it to that."""

MINTS = {vendor: f"{vendor}-mint" for vendor in VENDORS} | {"spatialgen": "spatialgen-lease"}
