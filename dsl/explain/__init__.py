"""What each code means, for ``perdure explain``, the documentation and SARIF: one text, in ``*.md`` here.

A section ``## CODE`` has a few sentences and two fenced blocks, ``yaml wrong`` and ``yaml right``. An example
that does not begin with ``dsl:`` gets ``HEADER`` put before it. What perdure says of the wrong one is never
written down but asked of perdure, except where the example would be huge or needs more than one file: there
the block ``text wrong`` says what it is like, and ``text says`` what is printed. A block ``json activities``
has the activities that are known.
"""
# ruff: noqa: PLC0415  # reports know these pages (SARIF has their texts), so what loads files is imported late

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.dsl.diagnostics import Diagnostic

HEADER = "dsl: perdure/1\nname: example\nversion: 1.0.0\n"
FILE = "example.perdure.yaml"
"""The name that examples have in what is said of them."""

FAMILIES = {
    "PD1": "YAML",
    "PD2": "Structure and scope",
    "PD3": "Expressions and types",
    "PD4": "Bounds",
    "PD5": "Entities and locks",
    "PD6": "Versions",
    "PD7": "Activities",
    "PD8": "Style (warnings)",
    "PD9": "The tool itself",
}

_SECTION = re.compile(r"^## (PD[0-9]{3})\n", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+) (\w+)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of a code. ``says`` is what is printed, where that cannot be had from ``wrong``.

    ``activities`` are those that the examples may call, as in the manifest of a registry.
    """

    code: str
    text: str
    wrong: str
    right: str
    says: str | None = None
    activities: Mapping[str, Any] | None = None


def page(code: str) -> Page:
    """The page of a code. Raises ``KeyError`` for one without."""
    return pages()[code]


@cache
def pages() -> dict[str, Page]:
    """All pages, in the order of their codes."""
    found = {}
    for entry in resources.files("perdure.dsl.explain").iterdir():
        if entry.name.endswith(".md"):
            _, *parts = _SECTION.split(entry.read_text("utf-8"))
            found.update(
                {code: _page(code, body) for code, body in zip(parts[::2], parts[1::2], strict=True)}
            )
    return dict(sorted(found.items()))


def _page(code: str, body: str) -> Page:
    blocks = {name: _whole(text) if kind == "yaml" else text for kind, name, text in _BLOCK.findall(body)}
    text = "\n\n".join(" ".join(part.split()) for part in _BLOCK.sub("", body).strip().split("\n\n"))
    return Page(
        code=code,
        text=text,
        wrong=blocks["wrong"],
        right=blocks["right"],
        says=blocks.get("says"),
        activities=json.loads(blocks["activities"]) if "activities" in blocks else None,
    )


def _whole(example: str) -> str:
    return example if example.startswith(("dsl:", "%", "# ")) else HEADER + example


def said(page: Page) -> str:
    """What perdure prints about the wrong example, without the summary at the end."""
    if page.says is not None:
        return page.says
    from perdure.dsl import Source, format_diagnostics

    source = Source(FILE, page.wrong)
    found = [each for each in diagnostics(page, page.wrong) if each.code == page.code]
    return "\n".join(format_diagnostics(found[:1], [source]).splitlines()[:-1]) + "\n"


def diagnostics(page: Page, example: str) -> Sequence[Diagnostic]:
    """What is found in an example of a page; ``PD812`` and its like are only looked for by ``--strict``."""
    from perdure.dsl import Signature, Source, check_activities, load
    from perdure.dsl.diagnostics import STRICT
    from perdure.dsl.model import Workflow
    from perdure.dsl.types import catalog_of

    catalog = catalog_of({"activities": page.activities or {}})
    loaded = load(Source(FILE, example), catalog, strict=page.code in STRICT)
    found = [*loaded.diagnostics]
    if page.activities is not None:
        known = {
            name: Signature(names=tuple(each.parameters), required=each.required)
            for name, each in catalog.activities.items()
        }
        for document in loaded.documents:
            if isinstance(document, Workflow):
                found += check_activities(document, known)
    return found
