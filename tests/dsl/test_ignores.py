"""Comments that accept diagnostics."""

from __future__ import annotations

import pytest

from perdure.compiler.build import build
from perdure.dsl import Source, ignores, load
from perdure.dsl.diagnostics import CODES, IGNORABLE, LIMIT, NOT_ALWAYS, Severity, severity_of
from perdure.dsl.explain import page
from tests.dsl.documents import HEADER, codes
from tests.tables import every

WAITS = HEADER + "events: { Go: {} }\ndo:\n  - a: { wait_for_event: Go }\n"


def ignored(text: str, code: str) -> str:
    """The same text with a comment above each line that the code points at."""
    lines = text.splitlines()
    for each in reversed(load(Source("case.yaml", text)).diagnostics):
        if each.code == code:
            line = lines[each.span.start.line - 1]
            indent = line[: len(line) - len(line.lstrip())]
            lines.insert(each.span.start.line - 1, f"{indent}# perdure: ignore[{code}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        WAITS.replace("Go }\n", "Go } # perdure: ignore[PD401]\n"),
        WAITS.replace("do:\n", "do:\n  # perdure: ignore[PD401]\n"),
        WAITS.replace("do:\n", "do:\n# perdure: ignore[PD401]\n\n  # and why\n"),
        WAITS.replace("do:\n", "do:\n  # perdure: ignore[PD401] it is a bell\n"),
        HEADER + "events: { Go: {} }\ndo: [\n # perdure: ignore[PD401]\n a: { wait_for_event: Go } ]\n",
    ],
)
def test_a_comment_on_the_line_or_above_it_is_enough(text: str) -> None:
    """Other comments and empty lines may stand between."""
    assert codes(text) == []


def test_an_ignored_error_lets_the_workflow_be_compiled() -> None:
    """Whoever reads the file ignores the same: the event is waited for without end."""
    built = build(Source("case.yaml", ignored(WAITS, "PD401")))
    never = build(Source("case.yaml", WAITS.replace("Go }", "Go, timeout: never }")))
    assert built.diagnostics == ()
    assert built.workflows[0].program_digest == never.workflows[0].program_digest


@pytest.mark.parametrize(
    "line",
    [
        'value: "# perdure: ignore[PD401]"',
        "value: '# perdure: ignore[PD401]'",
        "value: |\n        # perdure: ignore[PD401]",
        "value: >-\n        text\n        # perdure: ignore[PD401]\n        text",
    ],
)
def test_text_is_no_comment(line: str) -> None:
    """What only looks like a comment neither ignores anything nor is called unneeded."""
    wait = "      wait_for_event: Go"
    text = f"{HEADER}events: {{ Go: {{}} }}\ndo:\n  - b:\n      {line}\n  - a:\n{wait}\n"
    assert codes(text) == ["PD401"]


def test_the_line_that_opens_a_text_may_have_a_comment() -> None:
    """After ``|`` there is still room for a comment that YAML takes for one."""
    text = HEADER + "do:\n  - a:\n      value: |-  # perdure: ignore[PD803]\n        ${ input.n / 2 }\n"
    assert codes(text) == ["PD901", "PD803"]


def test_several_codes_and_each_line_for_itself() -> None:
    """A comment may name several codes; what the next line has is not its business."""
    text = HEADER + "do:\n  # perdure: ignore[PD801, PD803]\n  - return: [010, '${ input.n / 2 }']\n"
    assert codes(text) == []
    later = text.replace("return: [010", "return:\n    - [010")
    assert codes(later) == ["PD901", "PD901", "PD801", "PD803"]


def test_an_ignore_that_nothing_needs_is_a_warning() -> None:
    """The warning points at the code in the comment; with errors elsewhere it waits until they are gone."""
    text = HEADER + "do:\n  # perdure: ignore[PD803,PD401]\n  - return: '${ input.n / 2 }'\n"
    (found,) = load(Source("case.yaml", text)).diagnostics
    assert (found.code, found.severity) == ("PD901", Severity.WARNING)
    assert (found.span.start, found.span.end) == ((5, 27), (5, 32))
    assert codes(text + "  - oops\n") == ["PD209"]


@pytest.mark.parametrize("code", sorted(NOT_ALWAYS & {*IGNORABLE}))
def test_what_is_not_always_checked_is_never_called_unneeded(code: str) -> None:
    """A file is also read where activities are not known."""
    assert codes(HEADER + f"do:\n  # perdure: ignore[{code}]\n  - a: {{ call: A }}\n") == []


@every(each for each in CODES if severity_of(each) is Severity.ERROR)
def test_errors_that_stop_a_workflow_cannot_be_ignored(code: str) -> None:
    """Only the few errors of ``IGNORABLE`` are taken; any other is refused where it stands."""
    found = codes(HEADER + f"do:\n  # perdure: ignore[{code}]\n  - a: {{ call: A }}\n")
    assert found == (["PD902"] if code not in IGNORABLE else [] if code in NOT_ALWAYS else ["PD901"])


@pytest.mark.parametrize(
    "code", [each for each in CODES if severity_of(each) is Severity.WARNING and each not in NOT_ALWAYS]
)
def test_every_warning_can_be_ignored(code: str) -> None:
    """The wrong example of a warning's page is clean with a comment above each place."""
    wrong = page(code).wrong
    if code not in {"PD901", "PD903"}:
        assert codes(ignored(wrong, code)) == []


@pytest.mark.parametrize(
    "comment",
    [
        "# perdure: ignore",
        "# perdure: ignore PD401",
        "# perdure:ignore[PD401]",
        "# Perdure: Ignore[PD401]",
        "#perdure: ignore[PD401]",
        "# perdure: ignore[]",
        "# perdure: ignore[pd401]",
        "# perdure: ignore[PD4O1]",
        "# perdure: ignore[PD401",
        "# perdure: ignore[PD4]",
        "# perdure: ignor[PD401]",
        "# perdure ignore[PD401]",
        "# perdure: noqa",
        "# perdure: disable=PD401",
        "# perdure ignore PD401",
        "# noqa: PD401",
    ],
)
def test_a_comment_that_cannot_be_read_is_told(comment: str) -> None:
    """There is one way to write it; what looks alike ignores nothing and says so."""
    text = WAITS.replace("do:\n", f"do:\n  {comment}\n")
    assert codes(text) == ["PD903", "PD401"]


def test_other_comments_are_nobodys_business() -> None:
    """Prose about perdure is prose."""
    text = HEADER + "# perdure: ignores nothing here\n# perdure ignore list\ndo:\n  - a: { call: A }\n"
    assert codes(text) == []


def test_very_many_comments_are_read_in_one_go() -> None:
    """A file full of comments is no burden: each is looked at once."""
    text = WAITS.replace("do:\n", "do:\n" + "  # perdure: ignore[PD401]\n" * 8_000)
    assert codes(text) == []


def test_no_guess_is_made_for_each_of_thousands_of_unknown_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess takes as long as all codes together; once no more is kept, none is made."""
    asked: list[str] = []
    monkeypatch.setattr(ignores, "suggest", lambda code, _: asked.append(code))
    unknown = ", ".join(f"PD40{number}" for number in range(3_000))
    load(Source("a.yaml", WAITS.replace("do:\n", f"do:\n  # perdure: ignore[{unknown}]\n")))
    assert 0 < len(asked) <= LIMIT + 1
