"""Importing a module has no side effects: a module defines, and a command runs under `if __name__ == "__main__":`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("local", "tools", "bench", "tests")
MODULES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts
)

DEFINITIONS = (
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign),
    *(ast.TypeAlias, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)
GUARDS = {"TYPE_CHECKING", "__name__ == '__main__'"}

EXCEPTIONS = {
    "tests/functions/conftest.py": "pytest must know the module before anything imports it",
    "tests/functions/agora_tokens.py": "the vendor's package warns when it is imported",
    "tests/deploy/emulator/trust/sitecustomize.py": "Python runs it at the start of a process",
}


def runs_code(statement: ast.stmt) -> bool:
    """Whether a statement of a module does more than define names."""
    match statement:
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.If(test=test):
            return ast.unparse(test) not in GUARDS
        case ast.Assign(targets=targets):
            return not all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return not isinstance(statement, DEFINITIONS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_only_defines(path: Path) -> None:
    found = [ast.unparse(statement) for statement in ast.parse(path.read_text()).body if runs_code(statement)]
    assert bool(found) is (str(path.relative_to(ROOT)) in EXCEPTIONS), found


@pytest.mark.parametrize(
    "source", ["print(1)", "x[0] = 1", "x.y = 1", "for x in y: z()", "with x: import y", "del x", "if x: import y"]
)
def test_a_statement_that_runs_code_is_found(source: str) -> None:
    assert runs_code(ast.parse(source).body[0])
