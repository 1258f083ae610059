"""Diagnostics as text and as JSON."""

from __future__ import annotations

import json

from perdure.dsl import Source, format_diagnostics, load
from perdure.dsl.diagnostics import Collector, Related
from perdure.dsl.source import Span

TEXT = "first: 1\nsecond: '日本 é́ x'\nthird:\t\x1b[31m\n"


def noted(line: int, column: int, length: int = 1, **more: object) -> Collector:
    """A collector with one error in ``TEXT``."""
    diagnostics = Collector("case.yaml")
    diagnostics.add("PD301", "wrong", Span.at(line, column, length), **more)  # type: ignore[arg-type]
    return diagnostics


def full(diagnostics: Collector, text: str = TEXT) -> list[str]:
    """The lines of the full rendering, without the summary."""
    return format_diagnostics(diagnostics, [Source("case.yaml", text)]).splitlines()[:-1]


def test_the_excerpt_leads_to_the_mistake() -> None:
    """The line is shown with those before it, and a caret for each character of the span."""
    assert full(noted(2, 1, 6)) == [
        "case.yaml:2:1: error[PD301] wrong",
        "  |",
        "1 | first: 1",
        "2 | second: '日本 é́ x'",
        "  | ^^^^^^",
    ]


def test_carets_stand_below_wide_characters() -> None:
    """Columns count code points; the caret stands where a terminal shows them."""
    rows = full(noted(2, 16))
    assert rows[0].startswith("case.yaml:2:16:")
    assert rows[-1] == "  | " + " " * 16 + "^"


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A file cannot colour or move the terminal; a tab keeps the caret in its place."""
    rows = full(noted(3, 8))
    assert rows[-2:] == ["3 | third:\t\ufffd[31m", "  |       \t^"]


def test_related_places_are_shown_in_the_order_of_the_file() -> None:
    """A related place has dashes and its message; lines between are left out."""
    related = [Related(span=Span.at(1, 1, 5), message="first here")]
    assert full(noted(3, 1, 5, related=related, hint="rename it"))[1:] == [
        "  |",
        "1 | first: 1",
        "  | ----- first here",
        "3 | third:\t\ufffd[31m",
        "  | ^^^^^",
        "  = help: rename it",
    ]


def test_long_lines_are_cut_around_the_caret() -> None:
    """An excerpt fits a terminal, whatever the line."""
    rows = full(noted(1, 5_000, 3), "x" * 10_000)
    assert max(map(len, rows)) <= 104
    assert rows[2].index("…") == 4
    assert rows[3].rindex("^") - rows[3].index("^") == 2


def test_a_place_beyond_the_file_has_no_excerpt() -> None:
    """Without the source there is the message alone."""
    assert full(noted(9, 1), "") == ["case.yaml:9:1: error[PD301] wrong"]


def test_full_shows_twenty_of_a_file_and_counts_all() -> None:
    """More than twenty are summed up."""
    text = "dsl: perdure/1\nname: case\nversion: 1.0.0\ndo:\n" + "  - x: {}\n" * 30
    source = Source("case.yaml", text)
    rows = format_diagnostics(load(source).diagnostics, [source]).splitlines()
    assert rows[-2:] == [
        "case.yaml: 10 more not shown",
        "Found 30 errors in 1 file. See: perdure explain PD205",
    ]


def test_concise_is_one_line_each() -> None:
    """Tools that read lines get one for each diagnostic, with the hint."""
    shown = format_diagnostics(noted(2, 1, hint="rename it"), [], "concise")
    assert shown == "case.yaml:2:1: error[PD301] wrong; rename it\n"


def test_json_is_one_document_even_for_none() -> None:
    """JSON output can always be parsed."""
    assert json.loads(format_diagnostics([], [], "json")) == {"version": 1, "diagnostics": []}


def test_json_has_everything() -> None:
    """A diagnostic in JSON has all its parts, with places as numbers."""
    related = [Related(span=Span.at(1, 1, 5), message="first here")]
    shown = json.loads(format_diagnostics(noted(2, 3, 4, related=related, hint="rename it"), [], "json"))
    assert shown["diagnostics"] == [
        {
            "code": "PD301",
            "severity": "error",
            "kind": None,
            "message": "wrong",
            "hint": "rename it",
            "file": "case.yaml",
            "start": {"line": 2, "column": 3},
            "end": {"line": 2, "column": 7},
            "related": [
                {
                    "message": "first here",
                    "file": "case.yaml",
                    "start": {"line": 1, "column": 1},
                    "end": {"line": 1, "column": 6},
                }
            ],
        }
    ]


def test_nothing_wrong_is_nothing_to_say() -> None:
    """Without diagnostics the text is empty."""
    assert format_diagnostics([], [], "full") == ""
