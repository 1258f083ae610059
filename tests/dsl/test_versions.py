from __future__ import annotations

import pytest

from perdure.dsl.versions import parse_range, parse_version


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1.4.0", "1.4.0", "1.4.1"),
        ("1.4", "1.4.9", "1.5.0"),
        ("2", "2.9.9", "3.0.0"),
        ("^1.4.2", "1.9.0", "1.4.1"),
        ("^2.0", "2.1.3", "3.0.0"),
        ("^2", "2.0.0", "1.9.9"),
        ("^0.3.1", "0.3.9", "0.4.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.7", "0.1.0"),
        ("^0", "0.9.9", "1.0.0"),
        ("~1.2.3", "1.2.9", "1.3.0"),
        ("~1.2", "1.2.0", "1.3.0"),
        ("~1", "1.9.0", "2.0.0"),
    ],
)
def test_a_range_ends_before_the_next_number(text: str, inside: str, outside: str) -> None:
    """A caret keeps the first number that is not 0, a tilde the first two, a bare version what it says."""
    found = parse_range(text)
    assert parse_version(inside) in found
    assert parse_version(outside) not in found


@pytest.mark.parametrize(
    "text", ["", "latest", ">=1", "1.x", "1.2.3.4", "01.2", "^", "1.0.0-rc.1", "9999999999"]
)
def test_other_texts_are_no_range(text: str) -> None:
    """Comparisons, wild cards and pre-releases are refused, with examples of what is possible."""
    with pytest.raises(ValueError, match=r"write it like 1\.4\.0"):
        parse_range(text)


def test_a_pre_release_is_in_no_range() -> None:
    """Who wants one names no range but starts that version."""
    assert parse_version("2.0.0-rc.1") is None
    assert parse_version("2.0.0+build.5") == (2, 0, 0)
