"""Writes ``docs/diagnostics.md``: every code of the registry, with what is said of a file that has it.

Most examples are cases of ``tests/corpus/err``; the few that need a huge file, no text at all or activities
are made here. ``nox -s bless`` rewrites the page, and so does ``python -m tests.diagnostics_page``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perdure.dsl import Diagnostic, Signature, Source, check_activities, format_diagnostics, load, load_bytes
from perdure.dsl.diagnostics import CODES, LIMIT
from perdure.dsl.reader import MAX_BYTES, MAX_NODES, MAX_SCALAR
from tests.checkout import ROOT

PAGE = ROOT / "docs" / "diagnostics.md"
CORPUS = ROOT / "tests" / "corpus" / "err"
HEAD = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"

_CHOSEN = {
    "PD201": "unknown_key",
    "PD202": "missing_do",
    "PD203": "wrong_type",
    "PD301": "unknown_name",
    "PD305": "wrong_literal",
    "PD290": "not_supported",
    "PD306": "bad_constant",
    "PD402": "bad_duration",
    "PD405": "bad_count",
}
"""The case that explains a code best, where it is not the shortest one that has it."""

_FAMILIES = {
    "PD1": "YAML",
    "PD2": "Structure and scope",
    "PD3": "Expressions and types",
    "PD4": "Bounds",
    "PD7": "Activities",
    "PD8": "Style (warnings)",
    "PD9": "The tool itself",
}

_INTRODUCTION = """\
# Diagnostics

Everything that `perdure validate`, `run`, `deploy` and the server's `POST /definitions` may say of a workflow
file. Each code has one meaning for ever. Codes of the family PD8xx are warnings; all others refuse the file.
`perdure explain CODE` prints the title of a code, `perdure validate --json` and `--output-format json` give
the same diagnostics to programs, with `code`, `severity`, `kind`, `message`, `hint`, `file`, `start`, `end`
and `related`. Lines and columns count from 1, columns in characters.

PD701 and PD702 need to know the activities: `validate` and `run` do, `deploy` does not. The first 20
diagnostics of a file are printed, 100 are kept. A warning alone does not change the exit code.

Each example shows what is printed, with the lines of the file that it speaks of.
"""


def page() -> str:
    """The whole page. Raises ``KeyError`` for a code without an example."""
    examples = _examples()
    parts = [_INTRODUCTION]
    family = ""
    for code, title in CODES.items():
        if not code.startswith(family) or not family:
            family = code[:3]
            parts.append(f"## {_FAMILIES[family]}\n")
        parts.append(f"### {code}: {title}\n\n```text\n{examples[code]}```\n")
    return "\n".join(parts)


def _examples() -> dict[str, str]:
    """What is printed for each code."""
    found: dict[str, str] = {}
    for source, diagnostics in [*_corpus(), *_made()]:
        for each in diagnostics:
            chosen = _CHOSEN.get(each.code, source.name.removesuffix(".perdure.yaml"))
            if each.code not in found and source.name == f"{chosen}.perdure.yaml":
                found[each.code] = _shown(each, source)
    return found


def _shown(diagnostic: Diagnostic, source: Source) -> str:
    """One diagnostic without the summary that ends a report."""
    lines = format_diagnostics([diagnostic], [source]).splitlines()[:-1]
    return "\n".join(lines) + "\n"


def _corpus() -> Iterator[tuple[Source, tuple[Diagnostic, ...]]]:
    """The cases, shortest first."""
    for path in sorted(CORPUS.glob("*.yaml"), key=lambda path: (path.stat().st_size, path.name)):
        source = Source(f"{path.stem}.perdure.yaml", path.read_text("utf-8"))
        yield source, load(source).diagnostics


def _made() -> Iterator[tuple[Source, tuple[Diagnostic, ...]]]:
    latin = b"summary: caf\xe9\n"
    name = "not_utf8.perdure.yaml"
    yield Source(name, latin.decode("utf-8", "replace")), load_bytes(name, latin).diagnostics
    texts = {
        "too_large": HEAD + "#" * MAX_BYTES,
        "too_many_nodes": HEAD + f"do: [{'1,' * MAX_NODES}]\n",
        "too_long": HEAD + f"summary: {'long ' * (MAX_SCALAR // 5 + 1)}\n",
        "too_many_problems": HEAD + "do:\n" + "  - oops\n" * (LIMIT + 1),
    }
    for stem, text in texts.items():
        source = Source(f"{stem}.perdure.yaml", text)
        yield source, load(source).diagnostics
    source = Source("unknown_activity.perdure.yaml", HEAD + "do:\n  - charge: { call: ChargCard }\n")
    workflow = load(source).workflows[0]
    nothing = Signature(names=(), required=frozenset())
    yield source, check_activities(workflow, {"ChargeCard": nothing, "BookShipment": nothing})
    text = HEAD + "do:\n  - charge: { call: ChargeCard, with: { order: o-1, amuont: 5 } }\n"
    source = Source("wrong_argument.perdure.yaml", text)
    charge = Signature(names=("order", "amount"), required=frozenset({"order"}))
    yield source, check_activities(load(source).workflows[0], {"ChargeCard": charge})


def write(target: Path = PAGE) -> None:
    """Rewrite the page."""
    target.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
