"""The documents name only what exists."""

import json
import re
from pathlib import Path

import pytest

from tests.vendors import MINTS, VENDORS

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT, ROOT / "clients", *(ROOT / "examples").iterdir()]
DOCUMENTS = [*(page for folder in FOLDERS for page in folder.glob("*.md")), *(ROOT / "docs").rglob("*.md")]
CODE = [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "layers/minting/minting").glob("*.py")]


def named_tests() -> set[str]:
    return set(re.findall(r"\btest_\w+(?=`)", (ROOT / "SECURITY.md").read_text()))


def test_every_promise_names_tests_that_exist() -> None:
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert named_tests()
    assert named_tests() - written == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", document.read_text()) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings. A repeated heading gets `-1`, `-2` and so on."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    shown = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    slugs = [re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in shown]
    repeats = [slugs[:place].count(slug) for place, slug in enumerate(slugs)]
    return {f"{slug}-{count}" if count else slug for slug, count in zip(slugs, repeats, strict=True)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_anchor_of_a_link_is_a_heading(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", document.read_text())
    pages = [(document.parent / page if page else document, anchor) for page, anchor in links if "://" not in page]
    assert [anchor for page, anchor in pages if anchor not in anchors(page)] == []


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# `POST /v1/x`, twice\n```sh\n# no heading\n```\n## A [link](x.md) & more\n## Same\n## Same\n")
    assert anchors(page) == {"post-v1x-twice", "a-link--more", "same", "same-1"}


@pytest.mark.parametrize("event", MINTS.values(), ids=MINTS)
def test_every_vendor_has_its_row_in_the_readme(event: str) -> None:
    route = json.loads((ROOT / f"events/{event}.json").read_text())["rawPath"]
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert [row for row in rows if f"{route}`" in row.split(" | ")[0]]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_its_page(vendor: str) -> None:
    page = f"docs/vendors/{vendor}.md"
    assert (ROOT / page).exists(), f"{vendor} lacks its page: add {page} (docs/adding-a-vendor.md, 7)"


@pytest.mark.parametrize("file", CODE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_page_that_the_code_names_exists(file: Path) -> None:
    assert [page for page in re.findall(r"docs/[\w/]+\.md", file.read_text()) if not (ROOT / page).exists()] == []


def test_the_changelog_follows_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    unreleased, *versions = re.findall(r"^## (.*)", text, re.MULTILINE)
    dated = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)", heading) for heading in versions]
    assert unreleased == "Unreleased"
    assert dated
    assert all(dated), versions
    groups = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {*re.findall(r"^### (.*)", text, re.MULTILINE)} <= groups
