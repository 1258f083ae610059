from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("dsl", "compiler", "engine", "server", "sdk", "workflows", "schemas")
SOURCES = sorted(file for layer in LAYERS for file in (ROOT / layer).rglob("*.py"))
MODULES = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]


def _statements(module: Path) -> list[ast.stmt]:
    return ast.parse(module.read_text(encoding="utf-8")).body


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_import_rules_hold(tmp_path: Path) -> None:
    """Every import-linter contract of pyproject.toml is kept by the code as it stands."""
    if importlib.util.find_spec("importlinter") is None:
        pytest.skip(
            "import-linter is not installed: pip install -e '.[dev]' (CI checks the rules in any case)"
        )
    link_tree = [sys.executable, str(ROOT / ".ci" / "link_tree.py"), str(tmp_path)]
    subprocess.run(link_tree, check=True)
    lint = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_logo=True, no_cache=True))"
    answer = subprocess.run(
        [sys.executable, "-c", lint],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
def test_annotations_are_never_evaluated() -> None:
    """Every module that holds code begins with ``from __future__ import annotations``."""
    wanted = ast.dump(ast.parse("from __future__ import annotations").body[0])
    late = []
    for module in MODULES:
        code = [statement for statement in _statements(module) if not _is_docstring(statement)]
        if code and ast.dump(code[0]) != wanted:
            late.append(_name(module))
    assert late == []


def test_sql_is_written_in_the_store_only() -> None:
    """No module outside engine/store names SQLAlchemy, not even in a string to import later."""
    store = ROOT / "engine" / "store"
    outside = [module for module in SOURCES if store not in module.parents]
    assert [_name(module) for module in outside if "sqlalchemy" in module.read_text(encoding="utf-8")] == []


def test_nothing_is_marked_as_unfinished() -> None:
    """No source, test or page carries a mark of work left for later."""
    mark = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    marked = [
        f"{_name(file)}:{number}"
        for file in [*MODULES, *pages]
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if mark.search(line)
    ]
    assert marked == []


def test_every_test_says_what_it_states() -> None:
    """Each test function has a docstring: the behaviour, in a sentence."""
    silent = [
        f"{_name(module)}::{node.name}"
        for module in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md has a row for each dependency in pyproject.toml, and for nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.split(r"[\[<>=!~; ]", requirement)[0] for group in groups for requirement in group}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[?`([\w.-]+)`", page, re.MULTILINE)) == wanted
