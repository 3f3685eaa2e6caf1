"""The source of the layer and of every function holds nothing that would break a promise.

pyproject.toml has the rules about imports.
"""

import ast
import re
from functools import cache
from pathlib import Path

import grimp
import pytest

from minting.problems import CATALOGUE
from tests.vendors import VENDORS

ROOT = Path(__file__).parents[2]
LAYER = sorted((ROOT / "layers/minting/minting").rglob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").rglob("*.py"))
SOURCES = LAYER + FUNCTIONS
ERRORS = ROOT / "docs/errors.md"


@cache
def walk(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def names(path: Path) -> set[str]:
    """Every name, attribute, argument and import in a file, but nothing of its texts and comments."""
    found: set[str] = set()
    for node in walk(path):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                found |= {part for alias in imported for part in (*alias.name.split("."), alias.asname or "")}
    return found


def using(name: str, but: str = "") -> list[str]:
    """The sources that use a name, except the module `but`."""
    return [str(path.relative_to(ROOT)) for path in SOURCES if path.name != but and name in names(path)]


def test_the_scan_finds_the_sources() -> None:
    assert {"audit.py", "keys.py", "vendor.py"} <= {path.name for path in LAYER}
    assert {"spatius", "odyssey", "spatialgen", "convai", "trulience", "livekit", "agora"} <= set(VENDORS)
    assert {path.parent.name for path in FUNCTIONS} >= set(VENDORS)


@pytest.mark.parametrize(
    "name",
    [
        *("print", "pprint", "Tracer", "inject_lambda_context", "log_event", "log_metrics", "append_keys"),
        *("breakpoint", "debuglevel", "set_debuglevel", "set_stream_logger", "enable_console_debug_logging"),
        *("format_exc", "exc_info", "print_exc", "print_exception", "stack_info", "excepthook"),
        *("aws_xray_sdk", "eval", "exec", "pickle", "__import__"),
    ],
)
def test_nothing_shows_what_a_request_holds(name: str) -> None:
    assert using(name) == []


@pytest.mark.parametrize(
    "name", ["logging", "Logger", "getLogger", "stdout", "stderr", "traceback", "__traceback__", "warnings"]
)
def test_only_audit_writes(name: str) -> None:
    assert using(name, but="audit.py") == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_certificates_are_checked_and_redirects_not_followed(path: Path) -> None:
    given = {node.arg: node.value for node in walk(path) if isinstance(node, ast.keyword)}
    assert "verify" not in given
    assert "cert_reqs" not in given
    assert ast.unparse(given.get("redirect", ast.Constant(False))) in {"False", "0"}


def test_the_one_call_over_the_network_refuses_redirects() -> None:
    calls = [
        node
        for path in SOURCES
        for node in walk(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".urlopen")
    ]
    assert len(calls) == 1
    assert {"redirect", "timeout"} <= {part.arg for part in calls[0].keywords}
    assert using("ProxyManager") == using("proxy_from_url") == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: str(path.relative_to(ROOT / "functions")))
def test_a_function_names_no_other_vendor(path: Path) -> None:
    others = set(VENDORS) - {path.relative_to(ROOT / "functions").parts[0]}
    assert {other for other in others if re.search(rf"(?i){other}", path.read_text())} == set()


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: str(path.relative_to(ROOT / "functions")))
def test_a_function_imports_no_private_name(path: Path) -> None:
    imported = [alias.name for node in walk(path) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [name for name in imported if name.startswith("_")] == []


@pytest.mark.parametrize("path", LAYER, ids=lambda path: path.stem)
def test_the_layer_names_no_vendor(path: Path) -> None:
    assert {vendor for vendor in VENDORS if re.search(rf"(?i){vendor}", path.read_text())} == set()


def test_the_layer_uses_each_of_its_modules_except_those_that_only_functions_import() -> None:
    graph = grimp.build_graph("minting", cache_dir=None)
    modules = graph.find_children("minting")
    unused = {name for name in modules if not graph.find_modules_that_directly_import(name)}
    assert unused == {"minting.vendor", "minting.upstream", "minting.store"}


def test_every_problem_that_is_raised_is_in_the_catalogue() -> None:
    makers = {"Problem", "KeyRejected", "Ambiguous", "Paused", "kind"}
    raised: set[str] = set()
    for path in SOURCES:
        for node in walk(path):
            match node:
                case ast.Call(func=ast.Name(id=maker), args=[ast.Constant(value=str(code)), *_]) if maker in makers:
                    raised.add(code)
    assert raised <= CATALOGUE.keys()
    assert {"internal_error", "vendor_key_rejected", "not_configured", "vendor_timeout"} <= raised


def test_the_docs_have_one_section_for_every_code() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", ERRORS.read_text(), re.MULTILINE)) == sorted(CATALOGUE)
