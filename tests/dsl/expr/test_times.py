from __future__ import annotations

import pytest

from perdure.dsl.expr.times import SECOND, Timestamp, find_zone, parse_duration, parse_timestamp


@pytest.mark.parametrize(
    "text", ["1969-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.5Z"]
)
def test_timestamps_read_back(text: str) -> None:
    """Text to timestamp and back is the same, to the nanosecond and at the ends of time."""
    assert parse_timestamp(text).text() == text


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00+25:00",
        "٢024-01-01T00:00:00Z",
        " 2024-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_other_texts_are_no_timestamps(text: str) -> None:
    """Only RFC 3339 with a zone is taken."""
    with pytest.raises((ValueError, OverflowError)):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1h30m", 5400 * SECOND),
        ("-1.5s", -1_500_000_000),
        ("+2ms", 2_000_000),
        ("1us1ns", 1001),
        (".5s", SECOND // 2),
    ],
)
def test_durations_are_exact(text: str, ns: int) -> None:
    """Every unit and fraction is read without a float."""
    assert parse_duration(text).ns == ns


@pytest.mark.parametrize("text", ["", "-", "5", "1d", "1h 30m", "1e3s", "h", "1" * 200 + "x"])
def test_other_texts_are_no_durations(text: str) -> None:
    """What Go's notation does not have is refused."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "name", ["Mars/Base", "../../etc/passwd", "Europe", "zone.tab", "+25:00", "Europe/Riga\n", "x" * 10_000]
)
def test_unknown_zones_are_refused(name: str) -> None:
    """Only names of the zone package and offsets are zones."""
    with pytest.raises(ValueError, match="zone"):
        find_zone(name)


def test_zones_know_summer_time() -> None:
    """A named zone has its offset of the day."""
    assert [
        Timestamp(at * SECOND).local(find_zone("Europe/Riga")).hour for at in (1_704_067_200, 1_719_792_000)
    ] == [2, 3]
