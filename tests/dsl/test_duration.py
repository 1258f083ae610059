"""Durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.dsl.duration import MOST, format_duration, parse_duration

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("0.5s", 0.5),
        ("5s", 5),
        ("90m", 5_400),
        ("1h30m", 5_400),
        ("72h", 259_200),
        ("3d", 259_200),
        ("1.5h", 5_400),
        ("0s", 0),
        ("PT1H30M", 5_400),
        ("P3D", 259_200),
        ("P1W", 604_800),
        ("PT0.5S", 0.5),
        ("P1DT1S", 86_401),
    ],
)
def test_reads_both_notations(text: str, seconds: float) -> None:
    """Units and ISO 8601 give the same microseconds."""
    assert parse_duration(text) == seconds * SECOND


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("5", "needs a unit"),
        ("5 s", "no spaces"),
        ("-5s", "negative"),
        ("30m1h", "out of order"),
        ("1s1s", "out of order"),
        ("5x", "not a duration"),
        ("0.0001ms", "whole number of microseconds"),
        ("٣s", "not a duration"),
        ("P", "ISO 8601"),
        ("PT", "ISO 8601"),
        ("P1Y", "no fixed length"),
        ("P2M", "no fixed length"),
        ("999999999999d", "292,000 years"),
    ],
)
def test_says_why_a_text_is_no_duration(text: str, reason: str) -> None:
    """What is refused is refused with a reason for people."""
    with pytest.raises(ValueError, match=reason):
        parse_duration(text)


@given(st.integers(0, MOST))
def test_formatted_durations_read_back(microseconds: int) -> None:
    """Formatting loses nothing."""
    assert parse_duration(format_duration(microseconds)) == microseconds


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0s"),
        (1, "0.001ms"),
        (5_400 * SECOND, "1h30m"),
        (-SECOND, "-1s"),
        (90_061_001_001, "1d1h1m1s1.001ms"),
    ],
)
def test_formats_short(microseconds: int, text: str) -> None:
    """The text has each unit that is needed, largest first."""
    assert format_duration(microseconds) == text
