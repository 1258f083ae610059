"""The project's tasks.

They run in the environment that nox itself is installed in (``pip install -e '.[test,dev]'``), so nothing is
set up twice: ``nox -s check`` is what must hold before a change lands, ``nox -s tests`` is plain ``pytest``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["check", "tests"]

HERE = Path(__file__).parent
TOOLS = Path(sys.executable).parent


@nox.session
def check(session: nox.Session) -> None:
    """Format, lint, types and import rules."""
    _run(session, "ruff", "format", "--check", ".")
    _run(session, "ruff", "check", ".")
    types(session)
    imports(session)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package under its import names, and of the tests."""
    _link_tree(session)
    _run(session, "mypy", "-p", "perdure")
    _run(session, "mypy", "tests", "bench", ".ci", "noxfile.py")


@nox.session
def imports(session: nox.Session) -> None:
    """Check who imports whom."""
    _link_tree(session)
    _run(session, "lint-imports", "--no-logo", "--no-cache", PYTHONPATH=str(HERE / ".typing"))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick suite; arguments after ``--`` go to pytest."""
    _run(session, "python", "-m", "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the quick suite measured, and fail below the floors."""
    data = Path(session.create_tmp()).resolve() / "data"
    for old in data.parent.glob("data*"):
        old.unlink()
    measured = {"COVERAGE_FILE": str(data), "COVERAGE_PROCESS_START": str(HERE / "pyproject.toml")}
    _run(session, "python", "-m", "pytest", *session.posargs, **measured)
    _run(session, "python", ".ci/coverage_floors.py", COVERAGE_FILE=str(data))


@nox.session
def sim(session: nox.Session) -> None:
    """Simulate: ``nox -s sim -- 42`` shows one seed's decisions, ``-- --seeds 1000`` counts many."""
    _run(session, "python", "-m", "tests.sim", *session.posargs)


@nox.session
def bless(session: nox.Session) -> None:
    """Rewrite the goldens and snapshots from what the code does now. Review the diff as code."""
    _run(session, "python", "-m", "pytest", "-n0", "--snapshot-update", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and the wheel into ``dist/``."""
    _run(session, "python", "-m", "build", "--no-isolation", "--outdir", "dist", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a benchmark: ``nox -s bench -- NAME [OPTIONS]``; without a name it lists them."""
    _run(session, "python", "-m", "bench", *session.posargs)


def _link_tree(session: nox.Session) -> None:
    _run(session, "python", ".ci/link_tree.py", ".typing")


def _run(session: nox.Session, tool: str, *arguments: str, **environment: str) -> None:
    session.run(str(TOOLS / tool), *arguments, env=environment, external=True)
