"""The pages of the codes: each example is what it says it is."""

from __future__ import annotations

import re

import pytest

from perdure.dsl import Source, format_diagnostics, load, load_bytes
from perdure.dsl.diagnostics import CODES, LIMIT, Diagnostic
from perdure.dsl.explain import FAMILIES, FILE, HEADER, diagnostics, page, pages, said
from perdure.dsl.reader import MAX_BYTES, MAX_NODES, MAX_SCALAR
from perdure.dsl.together import check_together
from tests.tables import every

_FUNCTIONS = "".join(
    f"  {name}: {{ do: [{', '.join(f'{{ x{n}: {{ call: {called} }} }}' for n in range(10))}] }}\n"
    for name, called in zip("abcd", ["A", *"abc"], strict=True)
)

_LARGE = {
    "PD109": HEADER + "#" * MAX_BYTES,
    "PD111": HEADER + f"do: [{'1,' * MAX_NODES}]\n",
    "PD112": HEADER + f"summary: {'long ' * (MAX_SCALAR // 5 + 1)}\n",
    "PD308": HEADER + f"do:\n  - return: ${{ {'+'.join(['input.number'] * 700)} }}\n",
    "PD408": HEADER + f"functions:\n{_FUNCTIONS}do:\n  - all: {{ call: d }}\n",
    "PD900": HEADER + "do:\n" + "  - oops\n" * (LIMIT + 1),
}
"""What the examples that are too long for a page stand for."""


@every(CODES)
def test_every_code_has_a_page(code: str) -> None:
    """A page says in a few sentences what the code means; its family has a name."""
    assert 60 < len(page(code).text) < 600
    assert code[:3] in FAMILIES


def test_every_page_is_of_a_code() -> None:
    """No page is left over."""
    assert list(pages()) == list(CODES)


@every(code for code, each in pages().items() if each.says is None)
def test_the_wrong_example_is_wrong(code: str) -> None:
    """What is found first in the wrong example is the code that the page is about."""
    found = diagnostics(page(code), page(code).wrong)
    assert found
    assert found[0].code == code
    assert said(page(code)).startswith(f"{FILE}:")


@every(pages())
def test_the_right_example_is_right(code: str) -> None:
    """Nothing at all is said of the right example."""
    source = Source(FILE, page(code).right)
    assert format_diagnostics(diagnostics(page(code), source.text), [source]) == ""


def _made(code: str) -> Diagnostic:
    """The diagnostic that a page shows without an example that could be checked."""
    if code == "PD100":
        return load_bytes(FILE, b"summary: caf\xe9        (saved as Latin-1)\n").diagnostics[0]
    if code == "PD814":
        texts = {f"{name}.perdure.yaml": number for name, number in (("a", 1), ("b", 2))}
        header = HEADER.replace("example", "order")
        files = [load(Source(name, f"{header}do:\n  - return: {number}\n")) for name, number in texts.items()]
        return check_together([each for file in files for each in file.documents])[0]
    found = load(Source(FILE, _LARGE[code])).diagnostics
    return next(each for each in found if each.code == code)


@pytest.mark.parametrize("code", ["PD100", "PD814", *_LARGE])
def test_what_is_said_of_other_examples_is_true(code: str) -> None:
    """An example that cannot stand in a page still gives the message that the page shows."""
    made = _made(code)
    shown = re.match(r"\S+: (?:error|warning)\[(PD\d+)\] (.*)", said(page(code)))
    assert shown is not None
    assert shown.groups() == (made.code, made.message)
