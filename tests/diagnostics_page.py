"""Writes what ``docs/`` says of codes: the tables of ``diagnostics.md``, and a page a family in ``codes/``.

The texts are those of ``perdure explain``. ``nox -s bless`` rewrites the pages, and so does
``python -m tests.diagnostics_page``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from perdure.dsl.diagnostics import CODES, IGNORABLE
from perdure.dsl.explain import FAMILIES, pages, said
from tests.checkout import ROOT

PAGE = ROOT / "docs" / "diagnostics.md"
FOLDER = ROOT / "docs" / "codes"


def written() -> dict[Path, str]:
    """Every page and what it should be."""
    codes = "\n".join(_table(family) for family in FAMILIES)
    ignorable = _rows("| code | why the workflow can run |", IGNORABLE.items())
    text = PAGE.read_text("utf-8")
    text = _replaced(text, "ignorable", ignorable)
    text = _replaced(text, "codes", codes)
    return {PAGE: text, **{FOLDER / _name(family): _page(family) for family in FAMILIES}}


def _name(family: str) -> str:
    return f"{family.lower()}.md"


def _replaced(text: str, name: str, by: str) -> str:
    """A page with one of its generated parts put in, between its remark and ``<!-- end -->``."""
    start = f"<!-- generated: {name} -->"
    pattern = rf"{re.escape(start)}\n(?:.*?<!-- end -->\n)?"
    found, count = re.subn(
        pattern, lambda _: f"{start}\n\n{by}\n<!-- end -->\n", text, count=1, flags=re.DOTALL
    )
    assert count == 1, f"{PAGE} has no part {name}"
    return found


def _rows(head: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [head, "| --- | --- |", *(f"| {_link(code)} | {text} |" for code, text in rows)]
    return "\n".join(lines) + "\n"


def _link(code: str) -> str:
    return f"[{code}](codes/{_name(code[:3])}#{code.lower()})"


def _members(family: str) -> list[tuple[str, str]]:
    return [(code, title) for code, title in CODES.items() if code.startswith(family)]


def _table(family: str) -> str:
    return f"## {FAMILIES[family]}\n\n{_rows('| code | means |', _members(family))}"


def _page(family: str) -> str:
    parts = [f"# {family}xx: {FAMILIES[family]}\n"]
    for code, title in _members(family):
        page = pages()[code]
        wrong = "yaml" if page.says is None else "text"
        parts += [
            f"## {code}\n\n**{title}** — {page.text}\n",
            f"<!-- test: skip a wrong example -->\n```{wrong}\n{page.wrong}```\n",
            f"```text\n{said(page)}```\n",
            f"Right:\n\n```yaml\n{page.right}```\n",
        ]
    return "\n".join(parts)


def write() -> None:
    """Rewrite all pages."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
