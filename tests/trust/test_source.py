"""What would undo a promise is not in the source: a scan of the layer and of every function."""

import ast
import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from minting.problems import CATALOGUE
from tests.vendors import VENDORS

ROOT = Path(__file__).parents[2]
LAYER = sorted((ROOT / "layers/minting/minting").glob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").glob("*/*.py"))
SOURCES = LAYER + FUNCTIONS
ERRORS = ROOT / "docs/errors.md"
OFFERED = {
    *("audit", "bodies", "callers", "claims", "credentials", "deadline", "decoding", "function", "keys"),
    *("operations", "owners", "problems", "replies", "settings", "store", "upstream", "vendor"),
}
"""The layer's modules that functions may use; AWS and the counting of limits are the layer's own."""


def walk(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def names(path: Path) -> set[str]:
    """Every name, attribute, argument and imported thing in a file; not what is in its texts and comments."""
    found: set[str] = set()
    for node in walk(path):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                found |= {part for alias in imported for part in (*alias.name.split("."), alias.asname or "")}
    return found


def imports(path: Path) -> set[str]:
    """The modules that a file imports, dotted, and what it imports from them."""
    found: set[str] = set()
    for node in walk(path):
        match node:
            case ast.Import(names=imported):
                found |= {alias.name for alias in imported}
            case ast.ImportFrom(module=module, names=imported, level=level):
                assert level == 0 or (level == 1 and path in FUNCTIONS), f"{path}: relative import"
                origin = "." * level + (module or "")
                found |= {origin, *(f"{origin}.{alias.name}" for alias in imported)}
    return found


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def shown(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def using(read: Callable[[Path], set[str]], *forbidden: str, but: str = "") -> list[str]:
    """The sources in which something forbidden is read, except the one called `but`."""
    return shown([path for path in SOURCES if path.name != but and read(path) & set(forbidden)])


def test_there_is_something_to_scan() -> None:
    assert {"audit.py", "keys.py", "vendor.py"} <= {path.name for path in LAYER}
    assert {"spatius", "odyssey", "spatialgen", "convai", "trulience", "livekit", "agora"} <= set(VENDORS)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "print",
            "pprint",
            "Tracer",
            "inject_lambda_context",
            "log_event",
            "log_metrics",
            "append_keys",
            "breakpoint",
        ),
        *(
            "debuglevel",
            "set_debuglevel",
            "set_stream_logger",
            "enable_console_debug_logging",
            "format_exc",
            "exc_info",
        ),
        *(
            "print_exc",
            "print_exception",
            "stack_info",
            "excepthook",
            "aws_xray_sdk",
            "eval",
            "exec",
            "pickle",
            "__import__",
        ),
    ],
)
def test_nothing_shows_what_a_request_holds(name: str) -> None:
    assert using(names, name) == []


@pytest.mark.parametrize(
    "name", ["logging", "Logger", "getLogger", "stdout", "stderr", "traceback", "__traceback__", "warnings"]
)
def test_one_module_alone_writes(name: str) -> None:
    assert using(names, name, but="audit.py") == []


@pytest.mark.parametrize("name", ["environ", "getenv", "putenv", "environb"])
def test_one_module_alone_reads_the_environment(name: str) -> None:
    assert using(names, name, but="settings.py") == []


def test_two_modules_alone_speak_to_vendors() -> None:
    network = ("requests", "urllib3", "http", "socket", "ssl", "aiohttp", "httpx")
    assert {Path(path).name for path in using(packages, *network)} == {"connections.py", "upstream.py"}
    assert using(imports, "urllib.request", "asyncio", "subprocess", "ftplib", "smtplib") == []


def test_one_module_alone_makes_aws_clients() -> None:
    assert using(imports, "botocore.session", "botocore.httpsession", "botocore.client", but="aws.py") == []
    assert using(names, "create_client", "get_session", but="aws.py") == []


def test_boto3_is_not_imported() -> None:
    assert using(packages, "boto3", "s3transfer") == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_certificates_are_checked_and_redirects_not_followed(path: Path) -> None:
    given = {node.arg: node.value for node in walk(path) if isinstance(node, ast.keyword)}
    assert "verify" not in given
    assert "cert_reqs" not in given
    assert ast.unparse(given.get("allow_redirects", ast.Constant(False))) == "False"
    assert ast.unparse(given.get("trust_env", ast.Constant(False))) == "False"


def test_every_call_to_a_vendor_says_that_it_follows_no_redirect() -> None:
    calls = [
        node
        for node in walk(ROOT / "layers/minting/minting/upstream.py")
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("_session.request")
    ]
    assert calls
    for call in calls:
        assert {"allow_redirects", "timeout"} <= {part.arg for part in call.keywords}
    assert using(names, "get_adapter", "hooks") == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_knows_the_layer_and_no_other_function(path: Path) -> None:
    assert packages(path).isdisjoint({"functions", "local", "tests", "app", "botocore", "aws_lambda_powertools"})
    layers = {name for name in imports(path) if name.startswith("minting.")}
    assert {name.split(".")[1] for name in layers} <= OFFERED
    assert not any(part.startswith("_") for name in layers for part in name.split("."))
    others = set(VENDORS) - {path.parent.name}
    assert {other for other in others if re.search(rf"(?i){other}", path.read_text())} == set()


@pytest.mark.parametrize("path", LAYER, ids=lambda path: path.stem)
def test_the_layer_names_no_vendor_and_imports_nothing_above_it(path: Path) -> None:
    assert {vendor for vendor in VENDORS if re.search(rf"(?i){vendor}", path.read_text())} == set()
    assert packages(path).isdisjoint({"functions", "local", "tests", "app"})
    assert path.stem == "__init__" or "minting.__init__" not in imports(path)


def test_the_layers_modules_form_no_circle() -> None:
    modules = {f"minting.{path.stem}": path for path in LAYER if path.stem != "__init__"}
    graph = {name: imports(path) & modules.keys() for name, path in modules.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert {name for name in order if all(name not in needs for needs in graph.values())} == {
        *("minting.vendor", "minting.upstream", "minting.store"),
    }


def test_every_problem_that_is_raised_is_in_the_catalogue() -> None:
    makers = {"Problem", "KeyRejected", "Ambiguous"}
    raised: set[str] = set()
    for path in SOURCES:
        for node in walk(path):
            match node:
                case ast.Call(func=ast.Name(id=maker), args=[ast.Constant(value=str(code)), *_]) if maker in makers:
                    raised.add(code)
    assert raised <= CATALOGUE.keys()
    assert {"internal_error", "vendor_key_rejected", "not_configured", "vendor_timeout"} <= raised


def test_every_code_has_its_section_in_the_docs_and_no_section_is_left_over() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", ERRORS.read_text(), re.MULTILINE)) == sorted(CATALOGUE)
