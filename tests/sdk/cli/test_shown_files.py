"""``perdure compile`` and ``perdure diagram``: a file as instructions, and as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.compiler.build import Built, BuiltEntity, build
from perdure.compiler.disassemble import disassemble
from perdure.dsl import Source, load
from perdure.dsl.diagram import draw
from tests.sdk.cli.program import perdure

WORKFLOW = "dsl: perdure/1\nname: one\nversion: 1.0.0\ndo:\n  - a: { call: A }\n  - return: ${ a }\n"
ENTITY = (
    "dsl: perdure/1\nkind: entity\nname: Counter\nversion: 1.0.0\nstate: { initial: 0 }\n"
    "operations:\n  add: { set: '${ state + 1 }' }\n"
)
BOTH = f"{WORKFLOW}---\n{WORKFLOW.replace('one', 'two')}---\n{ENTITY}"
BROKEN = WORKFLOW.replace("${ a }", "${ b }")


@pytest.fixture
def both(here: Path) -> str:
    """The name of a file with two workflows and an entity."""
    (here / "both.perdure.yaml").write_text(BOTH, "utf-8")
    return "both.perdure.yaml"


def test_every_definition_is_listed(both: str) -> None:
    """The listings of a file stand below each other, each below its digest."""
    answer = perdure("compile", both)
    built = build(Source("x", BOTH))
    every: list[Built | BuiltEntity] = [*built.workflows, *built.entities]
    assert answer.code == 0
    assert answer.out == "\n".join(f"digest {each.digest}\n{disassemble(each.program)}" for each in every)


def test_one_definition_is_chosen_by_name(both: str) -> None:
    """``--name`` leaves the others out; a wrong one is not found, with a guess."""
    assert [each["name"] for each in perdure("compile", both, "--name", "Counter", "--json").data] == [
        "Counter"
    ]
    answer = perdure("compile", both, "--name", "Count")
    assert (answer.code, answer.out) == (4, "")
    assert "did you mean Counter?" in answer.err


def test_a_listing_as_json(both: str) -> None:
    """A list of definitions with both digests and the listing."""
    first = perdure("compile", both, "--json").data[0]
    assert first.keys() == {"name", "version", "digest", "program_digest", "listing"}
    assert first["listing"].startswith("program one 1.0.0 ")


@pytest.mark.parametrize("command", ["compile", "diagram"])
def test_a_broken_file_is_pointed_at(command: str, here: Path) -> None:
    """Errors are diagnostics on stderr, with exit code 1; a missing file is a matter of usage."""
    (here / "broken.yaml").write_text(BROKEN, "utf-8")
    answer = perdure(command, "broken.yaml")
    assert (answer.code, answer.out) == (1, "")
    assert "broken.yaml:6:" in answer.err
    assert "error[PD301]" in answer.err
    assert perdure(command, "missing.yaml").code == 2
    (here / "bytes.yaml").write_bytes(b"\xff")
    assert perdure(command, "bytes.yaml").code == 1


def test_a_workflow_is_drawn_for_the_terminal(here: Path) -> None:
    """Without options the picture is text; ``-`` is standard input."""
    whole = load(Source("x", WORKFLOW)).documents[0]
    assert perdure("diagram", "-", input=WORKFLOW).out == draw(whole, "ascii")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (("--format", "svg"), "<svg "),
        (("--format", "mermaid"), "flowchart TD\n"),
        (("--out", "one.svg"), "<svg "),
        (("--out", "one.mmd"), "flowchart TD\n"),
        (("--out", "one.svg", "--format", "ascii"), "╭"),
    ],
)
def test_the_format_is_said_or_guessed(words: tuple[str, ...], start: str, both: str) -> None:
    """``--format`` says it, else the ending of ``--out``; with ``--out`` nothing is printed."""
    answer = perdure("diagram", both, "--name", "one", *words)
    assert answer.code == 0
    assert (Path(words[1]).read_text("utf-8") if words[0] == "--out" else answer.out).startswith(start)
    assert words[0] == "--format" or answer.out == ""


def test_one_of_several_workflows_must_be_chosen(both: str) -> None:
    """Two pictures are no picture; a file without workflows has none."""
    answer = perdure("diagram", both)
    assert (answer.code, answer.out) == (2, "")
    assert "one, two" in answer.err
    assert perdure("diagram", both, "--name", "Counter").code == 4
    for words in ([], ["--name", "Counter"]):
        answer = perdure("diagram", "-", *words, input=ENTITY)
        assert answer.code == 2
        assert "stdin.perdure.yaml holds no workflow, and entities are not drawn" in answer.err


def test_a_picture_as_json(both: str) -> None:
    """The document has the picture as text."""
    data = perdure("diagram", both, "--name", "two", "--format", "svg", "--json").data
    assert data.keys() == {"name", "version", "format", "out", "text"}
    assert data["text"].startswith("<svg ")
