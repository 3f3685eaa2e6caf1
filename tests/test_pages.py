"""The commands of a page print what the page says, in one shell, with the bundle of `make run`."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pages import LOCAL, Step, steps

if TYPE_CHECKING:
    from local.bundle import Bundle

DOCS = Path(__file__).parents[1] / "docs"
END_OF_STEP = "\x1e"


def typed(done: list[Step]) -> list[str]:
    """The output of each step, in one shell that stops at the first command that fails."""
    script = f"printf '{END_OF_STEP}'\n".join(step.commands for step in done)
    command = ["bash", "-euo", "pipefail", "-c", script]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    return run.stdout.split(END_OF_STEP)


@pytest.mark.parametrize("page", ["vendors/convai.md"])
def test_a_pages_commands_print_what_the_page_says(bundle: "Bundle", page: str) -> None:
    done = steps(DOCS / page, bundle.url)
    assert done
    assert LOCAL not in "".join(step.commands for step in done)
    assert typed(done) == [step.printed for step in done]


def test_convais_three_examples_leave_the_tokens_that_the_page_describes(bundle: "Bundle") -> None:
    """One of the learners signs out, the visitor of the kiosk leaves, and the long-running app gets a new token."""
    typed(steps(DOCS / "vendors/convai.md", bundle.url))
    tokens = vars(bundle.twins["convai"])["tokens"].values()
    assert [token.revoked for token in tokens] == [True, False, True, True, False]
    assert {call.status for call in bundle.twins["convai"].calls} == {200, 401}
