"""The one layout of workflow files: nothing is lost, nothing changes its meaning, and twice is as once."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from perdure.dsl import Source, document_digest, load
from perdure.dsl.format import MeaningChanged, compare, format_source
from tests.blocks import blocks
from tests.checkout import ROOT

CORPUS = sorted((ROOT / "tests" / "corpus" / "ok").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "workflows").rglob("*.perdure.yaml"))
FILES = {path.stem: path.read_text("utf-8") for path in [*CORPUS, *EXAMPLES]}
ON_PAGES = {
    f"{block.page.name}:{block.line}": block.text
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in blocks(page)
    if block.language == "yaml" and block.text.startswith(("dsl:", "#"))
}
HEADER = "dsl: perdure/1\nname: w\nversion: 1.0.0\n"


def formatted(text: str) -> str:
    """The text in the one layout; it must not have mistakes of syntax."""
    found = format_source(Source("w.perdure.yaml", text))
    assert not found.diagnostics
    return found.text


def body(steps: str) -> str:
    """What becomes of the steps of a workflow."""
    return formatted(f"{HEADER}do:\n{steps}").removeprefix(f"{HEADER}do:\n")


def digests(text: str) -> list[str]:
    """What a file means."""
    return [document_digest(each) for each in load(Source("w", text)).documents]


@pytest.mark.parametrize("text", [*FILES.values(), *ON_PAGES.values()], ids=[*FILES, *ON_PAGES])
def test_formatting_keeps_meaning_and_is_done_once(text: str) -> None:
    """Each good file means the same afterwards, and is left alone the second time; bad ones at once."""
    found = format_source(Source("w", text))
    assert found.diagnostics == () or (found.text == text and not load(Source("w", text)).ok)
    if found.diagnostics:
        return
    once = found.text
    assert formatted(once) == once
    assert digests(once) == digests(text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_formatted(path: Path) -> None:
    """The examples that are shipped are in the layout that they teach."""
    assert formatted(path.read_text("utf-8")) == path.read_text("utf-8")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=6)


@st.composite
def commented(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A good file with comments put into it anywhere, and what they are: no two are the same."""
    lines = draw(st.sampled_from(list(FILES.values()))).splitlines()
    text: list[str] = []
    found: list[str] = []

    def comment() -> str:
        found.append(f"#c{len(found)};{draw(WORDS)}")
        return found[-1]

    for line in lines:
        above = range(draw(st.sampled_from([0] * 9 + [1, 2])))
        text += [" " * draw(st.integers(0, 12)) + comment() for _ in above]
        if draw(st.sampled_from([False] * 9 + [True])):
            text.append("")
        gap = draw(st.sampled_from([0] * 15 + [1, 2, 9]))
        text.append(f"{line}{' ' * gap}{comment()}" if gap else line)
    return "\n".join(text) + draw(st.sampled_from(["", "\n", "\n\n"])), found


@settings(max_examples=25, deadline=None)
@given(commented())
def test_comments_survive_wherever_they_stand(case: tuple[str, list[str]]) -> None:
    """Every comment is there afterwards, once; nothing changes the second time."""
    text, comments = case
    found = format_source(Source("w", text))
    if found.diagnostics:  # a comment tore a text of several lines apart
        assert found.text == text
        return
    assert [each for each in comments if found.text.count(each) != 1] == []
    assert formatted(found.text) == found.text
    assert digests(found.text) == digests(text)


@cache
def data(name: str) -> list[Any]:
    """The documents of a file."""
    return list(YAML(typ="safe", pure=True).load_all(FILES[name]))


@st.composite
def laid_out(draw: st.DrawFn) -> str:
    """A good file as some other program would write it."""
    documents = data(draw(st.sampled_from(sorted(FILES))))
    if draw(st.booleans()):
        indent = draw(st.sampled_from([None, 0, 1, 4]))
        return "\n---\n".join(json.dumps(each, indent=indent) for each in documents)
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = draw(st.sampled_from([True, False, None]))
    yaml.width = draw(st.sampled_from([20, 80, 1000]))
    yaml.indent = draw(st.sampled_from([2, 4, 7]))
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(laid_out())
def test_layouts_of_other_writers_become_the_one(text: str) -> None:
    """However a file was laid out, it means the same in the one layout, which is then left alone."""
    once = formatted(text)
    assert formatted(once) == once
    assert digests(once) == digests(text) != []


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("wait: PT1H30M", "wait: 1h30m"),
        ("wait: 90m", "wait: 90m"),
        ('wait: "5s"', "wait: 5s"),
        ("value: PT5M", "value: PT5M"),
        ('value: "${input.x}"', "value: ${ input.x }"),
        ("value: ${   input.x}", "value: ${ input.x }"),
        ("value: \"${ input.x ? 'a' : 'b' }\"", "value: \"${ input.x ? 'a' : 'b' }\""),
        ('value: "a ${input.x} b"', 'value: "a ${ input.x } b"'),
        ('value: "$${x}"', 'value: "$${x}"'),
        ("value: ${ '${x}' }", "value: ${ '${x}' }"),
        ('value: "word"', "value: word"),
        ('value: "no"', 'value: "no"'),
        ('value: "1.0"', 'value: "1.0"'),
        ('value: "null"', 'value: "null"'),
        ('value: "2026-01-01"', 'value: "2026-01-01"'),
        ('value: "a: b"', 'value: "a: b"'),
        ('value: "a #b"', 'value: "a #b"'),
        ("value: 'it''s'", "value: 'it''s'"),
        ('value: "caf\\xe9"', 'value: "caf\\xe9"'),
        ("value: [ 1,2 , {a: } ]", "value: [1, 2, { a: null }]"),
        ("value: {}", "value: {}"),
        ("value:", "value:"),
        ("value: ~", "value: ~"),
    ],
)
def test_a_value_is_written_so(written: str, wanted: str) -> None:
    """Durations, expressions, quotes and brackets have one way of being written, where meaning allows it."""
    assert body(f"  - a:\n      {written}\n") == f"  - a:\n      {wanted}\n"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("- a:\n    value: |\n       x\n         y\n", "  - a:\n      value: |\n        x\n          y\n"),
        ("- a:\n    value: |2-\n        x\n      y", "  - a:\n      value: |2-\n          x\n        y\n"),
        ("- a:\n    value: |+\n      x\n\n\n", "  - a:\n      value: |+\n        x\n\n\n"),
        ("- a:\n    value: |\n      x", "  - a:\n      value: |-\n        x\n"),
        ("- a:\n    value: >-\n      x\n      y\n", "  - a:\n      value: >-\n        x\n        y\n"),
        ("- a:\n    value: x\n     y\n", "  - a:\n      value: x\n        y\n"),
        ('- a: {value: "x\n   y"}\n', '  - a:\n      value: "x\n        y"\n'),
        ("- a: { value: [1,\n 2] }\n", "  - a:\n      value:\n        - 1\n        - 2\n"),
        ("- a:\n    value:\n    - - 1\n      - 2\n", "  - a:\n      value:\n        - - 1\n          - 2\n"),
        ("- a:\n    ? value\n    : 1\n", "  - a:\n      value: 1\n"),
        ("- a: &x\n    value: 1\n- b: *x\n", "  - a: &x\n      value: 1\n  - b: *x\n"),
        (" [{ return: 1 }]\n", "  - return: 1\n"),
        ("  - { a: { call: A } }\n", "  - a: { call: A }\n"),
        ('  - { return: "a, b" }\n', "  - return: a, b\n"),
        ("  - &x { return: 1 }\n", "  - &x { return: 1 }\n"),
        (" [{ if: true, then: [break] }]\n", "  - if: true\n    then:\n      - break\n"),
        ("  - a: { do: [{ return: 1 }] }\n", "  - a: { do: [{ return: 1 }] }\n"),
    ],
)
def test_lines_are_laid_out_so(written: str, wanted: str) -> None:
    """Two spaces a level; what stood between brackets on several lines becomes a block."""
    assert body(written) == wanted


def test_comments_stand_where_they_belong() -> None:
    """Above, beside and at the foot of what they are about, wherever that moves; empty lines are single."""
    text = f"""# of the file

{HEADER}

# of the steps
do: # beside the key
# of the first
- a: # its name
    timeout: 5s   # beside
                  # goes on
    # above the verb
    call: A
    # at the foot


- b: {{ call: B, # beside the verb
    # above the argument
    with: 1 }} # after all
# at the end
"""
    assert (
        formatted(text)
        == f"""# of the file

{HEADER}
# of the steps
do: # beside the key
  # of the first
  - a: # its name
      # above the verb
      call: A
      timeout: 5s # beside
                  # goes on
      # at the foot

  - b: # after all
      call: B # beside the verb
      # above the argument
      with: 1
# at the end
"""
    )


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("do: [{ return: 1 }] # c\n", "do:\n  - return: 1 # c\n"),
        ("do: # k\n  [{ return: 1 }] # c\n", "do: # k\n  - return: 1 # c\n"),
        ("do: [break, continue] # c\n", "do:\n  - break\n  - continue\n  # c\n"),
        ("do: [ break # l\n  ] # c\n", "do:\n  - break # l\n  # c\n"),
        ("do:\n  - { a: { call: A } } # c\n", "do:\n  - a: { call: A } # c\n"),
        (
            "do:\n  - { a: { call: A,\n  with: 1 } } # c\n",
            "do:\n  # c\n  - a:\n      call: A\n      with: 1\n",
        ),
        (
            "do:\n  - a:\n      value: [1,\n        2] # c\n",
            "do:\n  - a:\n      value:\n        - 1\n        - 2\n        # c\n",
        ),
        ("do:\n  - a: { do: [{ return: 1 }] } # c\n", "do:\n  - a: { do: [{ return: 1 }] } # c\n"),
    ],
)
def test_a_comment_after_a_bracket_stays_behind_what_it_closes(written: str, wanted: str) -> None:
    """Where brackets go it stands beside the only line, or below the last; it never moves to the key."""
    once = formatted(HEADER + written)
    assert once == HEADER + wanted
    assert formatted(once) == once


def test_an_alias_never_comes_before_its_anchor() -> None:
    """Keys keep their order where another one would tear an alias from its anchor."""
    steps = "  - a:\n      output: &x [1]\n      value: *x\n"
    assert body(steps) == steps


def test_a_duration_that_is_data_elsewhere_stays() -> None:
    """What is under an anchor is left as it is."""
    steps = "  - a: { wait: &x PT5S }\n  - b: { value: *x }\n"
    assert body(steps) == steps


def test_line_ends_are_those_of_the_file() -> None:
    """A file from Windows stays one; a mark of the byte order goes."""
    text = f"\ufeff{HEADER}do:\n- return: 1".replace("\n", "\r\n")
    assert formatted(text) == f"{HEADER}do:\n  - return: 1\n".replace("\n", "\r\n")


def test_documents_stay_apart() -> None:
    """Several documents of a file, with the comments around their marks."""
    other = HEADER.replace("name: w", "name: v")
    text = f"# a\n---\n# b\n{HEADER}do: [{{ return: 1 }}]\n# c\n...\n--- # d\n{other}do:\n- return: 2\n"
    assert formatted(text) == (
        f"# a\n---\n# b\n{HEADER}do:\n  - return: 1\n# c\n---\n# d\n{other}do:\n  - return: 2\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- 1",
        HEADER,
        f"{HEADER}do:\n  - return: ${{ 1 + }}\n",
        f"{HEADER}do:\n  - a: {{ cal: A }}\n",
    ],
)
def test_wrong_syntax_is_left_alone(text: str) -> None:
    """A file with errors in YAML, structure or expressions comes back as it is, with what is wrong."""
    found = format_source(Source("w", text))
    assert found.diagnostics
    assert found.text == text


def test_what_is_only_wrong_in_meaning_is_formatted() -> None:
    """A name that is not defined is no reason to leave the layout."""
    assert body("  - return: ${unknown}\n") == "  - return: ${ unknown }\n"


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab:-#&*[]{}'\"|>?,!%@ \n\t$~"), max_size=40))
def test_no_text_is_too_odd(steps: str) -> None:
    """Whatever stands in a file: it is formatted or refused, and formatted once."""
    found = format_source(Source("w", f"{HEADER}do:\n  - a: {{ value: 1 }}\n  - b:\n      value: {steps}"))
    if not found.diagnostics:
        assert formatted(found.text) == found.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("value: 1", "value: 2"),
        ("value: 1 # c", "value: 1"),
        ("value: { a: 1, b: 2 }", "value: { b: 2, a: 1 }"),
        ("value: PT5S", "value: 5s"),
        ("value: 1", "value: ["),
    ],
)
def test_no_change_of_meaning_goes_unnoticed(before: str, after: str) -> None:
    """Before a text is given back, it is compared in its meaning and its comments."""
    sources = (Source("w", f"{HEADER}do:\n  - a:\n      {each}\n") for each in (before, after))
    with pytest.raises(MeaningChanged):
        compare(*sources)
