from __future__ import annotations

import re

import pytest

from perdure.dsl.cron import check_cron, fires


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "0 2 * * *",
        "*/5 8-17 * * MON-FRI",
        "0 0 1,15 * *",
        "0 0 L * *",
        "0 0 * * 5#3",
        "0 0 29 2 *",
    ],
)
def test_what_cron_knows_fires(text: str) -> None:
    """The five fields with lists, ranges, steps, names, and the last and n-th days."""
    check_cron(text)
    assert fires(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a cron expression has five fields: minute, hour, day of month, month, day of week"),
        ("0 2 * *", "a cron expression has five fields: minute, hour, day of month, month, day of week"),
        ("0 0 2 * * *", "six fields: seconds are not possible, the first of the five is the minute"),
        ("@daily", "names such as @daily are not known; write the five fields"),
        ("60 * * * *", "'60' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * * MO", "'MO' is no day of week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("\N{ARABIC-INDIC DIGIT FIVE} * * * *", "'\N{ARABIC-INDIC DIGIT FIVE}' is no minute"),
        (
            "9" * 5_000 + " * * * *",
            "a cron expression has five fields: minute, hour, day of month, month, day of week",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """The message names the field, or says how many there are."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cron(text)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 2 *"])
def test_a_day_that_no_month_has_never_comes(text: str) -> None:
    """Each field is right, and yet nothing ever happens."""
    check_cron(text)
    assert not fires(text)
