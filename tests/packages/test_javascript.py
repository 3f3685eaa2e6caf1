"""The package in clients/js, built, in Node: by the table of behaviours, against the bundle, and by the pages about it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packages.snippets import code, written

if TYPE_CHECKING:
    from local.bundle import Bundle

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests/packages/javascript"
PACKAGE = ROOT / "clients/js"


def run(*command: str | Path, cwd: Path = ROOT, **given: str) -> None:
    ran = subprocess.run(  # noqa: S603 - our own command
        command, check=False, cwd=cwd, env=os.environ | given, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_javascript_client_behaves_as_the_table_says() -> None:
    run("node", "--test", *sorted((PACKAGE / "test").glob("*.test.mjs")))


def test_the_javascript_client_mints_from_the_bundle(bundle: "Bundle") -> None:
    run("node", "--test", HERE / "bundle.test.mjs", GATEWAY_URL=bundle.url, CONVAI_URL=bundle.twins["convai"].url)


def test_an_app_installs_what_the_webs_page_packs(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "clients/js", ignore=shutil.ignore_patterns("node_modules", "dist"))
    [commands] = code("web.md", "sh")
    run("bash", "-euo", "pipefail", "-c", commands, cwd=tmp_path)
    [packed] = tmp_path.glob("*.tgz")
    run("npm", "install", "--offline", "--prefix", tmp_path / "app", packed)
    (tmp_path / "app/app.mjs").write_text('import { createMintClient } from "avatar-mint-client"; createMintClient;')
    run("node", tmp_path / "app/app.mjs")


def compile_page(folder: Path, blocks: list[str]) -> None:
    """Each block is a module. Names of other packages have no types: vendor.d.ts."""
    files = [str(file) for file in written(folder, ".tsx", ["export {}\n" + block for block in blocks])]
    options = json.loads((PACKAGE / "tsconfig.json").read_text())["compilerOptions"]
    options |= {
        "noEmit": True,
        "jsx": "preserve",
        "module": "ES2022",
        "moduleResolution": "bundler",
        "noUnusedLocals": False,
        "noImplicitAny": False,
    }
    options |= {"rootDir": "/", "paths": {"avatar-mint-client": [str(PACKAGE / "dist/index.d.ts")]}}
    project = {"compilerOptions": options, "files": [*files, str(HERE / "vendors.d.ts")]}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    run(PACKAGE / "node_modules/.bin/tsc", "--project", folder)


@pytest.mark.parametrize("page", ["web.md", "react-native.md"])
def test_the_code_of_a_page_fits_the_package(tmp_path: Path, page: str) -> None:
    blocks = code(page, "ts")
    assert blocks
    compile_page(tmp_path, blocks)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('await mints.get("convai/tokens", { character: "1" });', "TS2322"),
        ('await mints.get("trulience/tokens", { avatar: "1" });', "TS2353"),
        ('(await mints.get("livekit/tokens")).token;', "TS2339"),
    ],
)
def test_code_that_does_not_fit_the_contract_does_not_compile(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(AssertionError, match=error):
        compile_page(tmp_path, [line])


def test_the_plain_functions_of_the_webs_page_mint_from_the_bundle(bundle: "Bundle", tmp_path: Path) -> None:
    first, *others = code("web.md", "js")
    api = first.splitlines()[0]
    assert api.startswith("const API = ")
    user = f"const userJwt = async () => {json.dumps(bundle.token('alice'))};"
    check = "if (!apiAuthToken) throw new Error('no token');"
    program = tmp_path / "page.mjs"
    program.write_text("\n".join([user, first.replace(api, f"const API = {json.dumps(bundle.url)};"), *others, check]))
    run("node", program)
