"""What the other stories rest on."""

import re

from tests.deploy.machine import ROOT


def test_the_emulator_transforms_the_template_as_the_sam_cli_does() -> None:
    pins = [
        re.findall(r"^aws-sam-translator==\S+", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
        for name in ("sam", "deploy")
    ]
    assert pins[0] == pins[1] != []
