"""Diagnostics as text and as JSON."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from perdure.dsl import Source, format_diagnostics, load
from perdure.dsl.diagnostics import Collector, Related
from perdure.dsl.report import Look
from perdure.dsl.report.github import MOST
from perdure.dsl.source import Span
from tests.dsl.sarif import SARIF

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


def given(name: str, text: str) -> tuple[Any, Source]:
    """The diagnostics of a file with this text, and the file."""
    source = Source(name, text)
    return load(source).diagnostics, source


HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\ndo:\n"
ODD = "flows/50%, a:b.perdure.yaml"
ODD_TEXT = HEADER + "  - a: { call: A }\n  - a: { wait: 5 minutes }\n  - b: { value: [010, 010] }\n"


def test_nothing_is_a_document_where_programs_read() -> None:
    """Formats that are documents are so for no diagnostics too; JUnit then has a test that passed."""
    assert format_diagnostics([], [], "github") == format_diagnostics([], [], "concise") == ""
    assert json.loads(format_diagnostics([], [], "gitlab")) == []
    assert json.loads(format_diagnostics([], [], "sarif"))["runs"][0]["results"] == []
    suite = ET.fromstring(format_diagnostics([], [Source("case.yaml", "")], "junit"))[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("case.yaml", "1", "0")


def test_a_place_in_another_file_is_a_note() -> None:
    """It has no excerpt of its own, but a place that editors and terminals can follow."""
    related = [Related(span=Span.at(7, 3), message="first here", file="other.yaml")]
    assert full(noted(1, 1, 5, related=related))[-1] == "  = note: other.yaml:7:3: first here"


def test_colours_mark_severity_and_nothing_else_changes() -> None:
    """Without its escapes the coloured text is the plain one."""
    found, source = given("case.yaml", ODD_TEXT)
    coloured = format_diagnostics(found, [source], "full", Look(color=True))
    assert "\x1b[1;31merror[PD212]\x1b[0m" in coloured
    assert "\x1b[1;33mwarning[PD801]\x1b[0m" in coloured
    plain = re.sub("\x1b\\[[0-9;]*m", "", coloured)
    assert plain == format_diagnostics(found, [source])


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 500])
def test_excerpts_fit_the_terminal(columns: int) -> None:
    """A long line is cut so that its row is not wrapped, down to a few columns."""
    text = format_diagnostics(
        noted(1, 5_000, 3), [Source("case.yaml", "x" * 10_000)], "full", Look(columns=columns)
    )
    rows = [row for row in text.splitlines() if " | " in row]
    assert max(map(len, rows)) == min(max(columns, 24), 104)


# github -----------------------------------------------------------------------------------------


def test_github_annotations_are_escaped() -> None:
    """What separates the parts of a command cannot come from a name, a message or a line end."""
    found, source = given(ODD, ODD_TEXT)
    first, *_ = format_diagnostics(found, [source], "github").splitlines()
    assert first == (
        "::error file=flows/50%25%2C a%3Ab.perdure.yaml,line=6,endLine=6,col=5,endColumn=6,title=PD212"
        "::the name 'a' stands twice; first on line 5"
        f"%0A{ODD.replace('%', '%25')}:5:5: first here"
    )


def test_github_shows_errors_first_and_ten_of_each() -> None:
    """GitHub drops what is beyond ten of a level; a notice says how many that are."""
    diagnostics = Collector("case.yaml")
    for line in range(1, 13):
        diagnostics.add("PD801", "odd", Span.at(line, 1))
        diagnostics.add("PD301", "wrong", Span.at(line, 2))
    rows = format_diagnostics(diagnostics, [], "github").splitlines()
    kinds = [row.split(" ")[0] for row in rows]
    assert kinds == ["::error"] * MOST + ["::warning"] * MOST + ["::notice"]
    assert rows[-1] == "::notice title=perdure::4 more not shown; 'perdure validate' shows all"


def test_github_gets_no_columns_of_several_lines() -> None:
    """Columns are only taken for a place on one line."""
    diagnostics = Collector("case.yaml")
    diagnostics.add("PD301", "wrong", Span(Span.at(1, 3).start, Span.at(2, 5).start))
    assert format_diagnostics(diagnostics, [], "github") == (
        "::error file=case.yaml,line=1,endLine=2,title=PD301::wrong\n"
    )


# gitlab, sarif ----------------------------------------------------------------------------------


def test_gitlab_has_what_a_code_quality_report_needs() -> None:
    """Each issue has a description, a name, a severity and a place; fingerprints are all different."""
    found, source = given(ODD, ODD_TEXT)
    issues = json.loads(format_diagnostics(found, [source], "gitlab"))
    assert [(each["check_name"], each["severity"]) for each in issues] == [
        ("PD212", "major"),
        ("PD402", "major"),
        ("PD801", "minor"),
        ("PD801", "minor"),
    ]
    assert issues[1]["description"].startswith("PD402: '5 minutes': a duration has no spaces")
    assert issues[1]["location"]["path"] == ODD
    assert issues[1]["location"]["positions"]["begin"] == {"line": 6, "column": 16}
    assert len({each["fingerprint"] for each in issues}) == len(issues)


@pytest.mark.parametrize("format", ["gitlab", "sarif"])
def test_fingerprints_stay_when_lines_come_above(format: Any) -> None:
    """A finding is the same one when it only moved."""
    before, moved = given(ODD, ODD_TEXT), given(ODD, "# a comment\n" + ODD_TEXT)

    def names(found: Any, source: Source) -> list[str]:
        document = json.loads(format_diagnostics(found, [source], format))
        if format == "gitlab":
            return [each["fingerprint"] for each in document]
        return [each["partialFingerprints"]["perdureLine/v1"] for each in document["runs"][0]["results"]]

    assert names(*before) == names(*moved)


def test_sarif_is_sarif() -> None:
    """The log has the structure of SARIF 2.1.0, with a rule for each code that occurs."""
    found, source = given(ODD, ODD_TEXT)
    log = json.loads(format_diagnostics(found, [source], "sarif"))
    jsonschema.Draft7Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["PD212", "PD402", "PD801"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert [each["level"] for each in run["results"]] == ["error", "error", "warning", "warning"]
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_places_are_addresses() -> None:
    """A path is written as a URI, an absolute one with its scheme; related places come along."""
    found, source = given(ODD, ODD_TEXT)
    result = json.loads(format_diagnostics(found, [source], "sarif"))["runs"][0]["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "flows/50%25%2C%20a%3Ab.perdure.yaml"
    assert place["region"] == {"startLine": 6, "startColumn": 5, "endLine": 6, "endColumn": 6}
    (related,) = result["relatedLocations"]
    assert related["message"] == {"text": "first here"}
    assert related["physicalLocation"]["region"]["startLine"] == 5
    absolute = format_diagnostics(given("/srv/a.yaml", ODD_TEXT)[0], [], "sarif")
    assert '"uri": "file:///srv/a.yaml"' in absolute


# junit ------------------------------------------------------------------------------------------


def test_junit_has_a_suite_for_each_file() -> None:
    """Errors are tests that failed, warnings passed and printed something, a clean file passed."""
    found, source = given(ODD, ODD_TEXT)
    report = format_diagnostics(found, [Source("clean.yaml", "x"), source], "junit")
    clean, odd = ET.fromstring(report)
    assert (clean.get("tests"), clean.get("failures")) == ("1", "0")
    assert (odd.get("name"), odd.get("tests"), odd.get("failures")) == (ODD, "4", "2")
    assert [case.get("name") for case in odd] == [
        "PD212 at 6:5",
        "PD402 at 6:16",
        "PD801 at 7:18",
        "PD801 at 7:23",
    ]
    failure, printed = odd[1].find("failure"), odd[2].find("system-out")
    assert failure is not None
    assert printed is not None
    assert "6 |   - a: { wait: 5 minutes }" in (failure.text or "")
    assert (printed.text or "").startswith(f"{ODD}:7:18: warning[PD801]")


def test_junit_can_be_read_whatever_a_file_holds() -> None:
    """XML has no way to write control characters; they are replaced."""
    report = format_diagnostics(noted(3, 8), [Source("case.yaml", TEXT + "\x00\ufffe")], "junit")
    assert "\x1b" not in report
    assert ET.fromstring(report)[0].get("failures") == "1"
