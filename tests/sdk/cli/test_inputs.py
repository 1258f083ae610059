from __future__ import annotations

from pathlib import Path

import pytest

from perdure.cli.failures import Stop
from perdure.cli.inputs import parse_json, read_input, read_tags
from tests.sdk.cli.program import perdure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": {}}', {"a": {}}),
        ('"1"', "1"),
        ("words with spaces", "words with spaces"),
        ("a=b", "a=b"),
        ("", ""),
        ("01", "01"),
        ("/a/path", "/a/path"),
        ("{not json", "{not json"),
    ],
)
def test_a_field_is_json_if_it_parses_and_text_otherwise(text: str, value: object) -> None:
    """``-i K=V`` takes JSON, and everything that is none as text."""
    assert read_input([f"k={text}"], None) == {"k": value}


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "[-Infinity]",
        "1e999",
        '{"a": 1, "a": 2}',
        '[{"a": 1, "a": 1}]',
        r'"\ud800"',
        "[" * 99_999,
    ],
    ids=lambda text: text[:20],
)
def test_json_that_is_read_differently_elsewhere_is_refused(text: str) -> None:
    """Duplicate keys, NaN, infinities, half surrogate pairs and endless nesting are errors, never guesses."""
    with pytest.raises(Stop) as field:
        read_input([f"k={text}"], None)
    with pytest.raises(Stop) as whole:
        parse_json(text, "--input")
    assert (field.value.exit_code, whole.value.exit_code) == (2, 2)


def test_fields_stand_over_the_document() -> None:
    """``-i`` adds to an --input object and replaces its fields."""
    assert read_input(["b=2", "c=3"], '{"a": 1, "b": 1}') == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("pairs", "document"),
    [
        (["a"], None),
        (["=1"], None),
        (["a=1", "a=2"], None),
        (["a=1"], "[1]"),
        ([], "{"),
        ([], "@missing.json"),
    ],
)
def test_bad_input_is_a_usage_error(pairs: list[str], document: str | None) -> None:
    """A field without a key or a value, given twice, or added to something that is no object is refused."""
    with pytest.raises(Stop) as refused:
        read_input(pairs, document)
    assert refused.value.exit_code == 2


def test_input_from_a_file(tmp_path: Path) -> None:
    """``@FILE`` reads the document, also with a byte order mark."""
    (tmp_path / "in.json").write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert read_input([], f"@{tmp_path / 'in.json'}") == {"a": 1}


def test_tags_are_texts() -> None:
    """Values of tags stay text, whatever they look like."""
    assert read_tags(["a=1", "b="]) == {"a": "1", "b": ""}


def test_bytes_of_an_argument_that_are_no_text(here: Path) -> None:
    """An argument that is not UTF-8 is refused before anything is started."""
    answer = perdure("start", "x", "-i", "a=\udcff")
    assert answer.code == 2
    assert "UTF-8" in answer.err
