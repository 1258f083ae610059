"""The Programs of the corpus, and short workflows, for the tests of the compiler."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from perdure.compiler.build import build
from perdure.compiler.ir import EntityProgram, Program
from perdure.dsl.source import Source

OK = Path(__file__).parents[1] / "corpus" / "ok"
CASES = sorted(path.stem for path in OK.glob("*.yaml"))


def text(case: str) -> str:
    """A file of the corpus."""
    return (OK / f"{case}.yaml").read_text("utf-8")


@cache
def workflows(case: str) -> tuple[Program, ...]:
    """The workflows of a file of the corpus."""
    return tuple(each.program for each in build(Source(f"{case}.yaml", text(case))).workflows)


@cache
def entities(case: str) -> tuple[EntityProgram, ...]:
    """The entities of a file of the corpus."""
    return tuple(each.program for each in build(Source(f"{case}.yaml", text(case))).entities)


def programs(case: str) -> tuple[Program | EntityProgram, ...]:
    """Everything that a file of the corpus compiles to."""
    return (*workflows(case), *entities(case))


def compiled(body: str, header: str = "") -> Program:
    """The Program of a workflow with this body."""
    source = f"dsl: perdure/1\nname: a\nversion: 1.0.0\n{header}\ndo:\n{body}"
    built = build(Source("a.yaml", source))
    assert built.workflows, built.diagnostics
    return built.workflows[0].program
