"""`make vendor NAME=anam`: writes the skeleton of a new vendor. docs/adding-a-vendor.md says how to fill it in."""

import subprocess
import sys
from pathlib import Path

from tools.vendor import names, skeleton


def main(arguments: list[str]) -> None:
    root = Path.cwd()
    try:
        texts = skeleton.texts(names.parse("".join(arguments), root), root)
    except ValueError as error:
        sys.exit(f"vendor: {error}")
    write(texts)
    print("\n".join(["Wrote", *(f"  {path.relative_to(root)}" for path in texts)]))
    print("docs/adding-a-vendor.md says what to fill in. `git grep -n --untracked 'FILL IN: '` lists the places.")


def write(texts: dict[Path, str]) -> None:
    """Writes the files and formats the Python: the length of the name decides where lines break."""
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    code = [str(path) for path in texts if path.suffix == ".py"]
    for command in (["check", "--fix", "--quiet", "--select", "I"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *code], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
