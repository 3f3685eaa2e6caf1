"""The code on the pages of docs/clients/."""

from pathlib import Path

from tests.pages import FENCED

PAGES = Path(__file__).parents[2] / "docs/clients"


def code(page: str, language: str) -> list[str]:
    """The blocks of a page in one language, in order."""
    return [text for of, text in FENCED.findall((PAGES / page).read_text()) if of == language]


def written(folder: Path, suffix: str, blocks: list[str]) -> list[Path]:
    """One file for each block."""
    files = [folder / f"block{place}{suffix}" for place in range(len(blocks))]
    for file, block in zip(files, blocks, strict=True):
        file.write_text(block)
    return files
