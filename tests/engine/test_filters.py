"""The query language of lists."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.engine.filters import parse_filter
from perdure.engine.store import open_store
from perdure.engine.store.rows import Condition

NOW = 1_900_000_000_000_000
DAY = 86_400_000_000


def read(text: str) -> tuple[Condition, ...]:
    """The conditions of a query that is asked now."""
    return parse_filter(text, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("status:failed,Terminated", [{"field": "status", "values": ("Failed", "Terminated")}]),
        ("workflow=order", [{"field": "name", "values": ("order",)}]),
        ("id:order-*,x", [{"field": "id", "values": ("x",), "prefixes": ("order-",)}]),
        ("-parent:*", [{"field": "parent_id", "prefixes": ("",), "negated": True}]),
        ("tag.team:x", [{"field": "tag.team", "values": ("x",)}]),
        ('tag."cost center":"a, \\"b\\""', [{"field": "tag.cost center", "values": ('a, "b"',)}]),
        ('id:"a*"', [{"field": "id", "values": ("a*",)}]),
        ('id:"a b"*', [{"field": "id", "prefixes": ("a b",)}]),
        ("created>=2030-03-17", [{"field": "created_at", "compares": ">=", "time": NOW - 64_000_000_000}]),
        ("created<-7d", [{"field": "created_at", "compares": "<", "time": NOW - 7 * DAY}]),
        ("updated>2030-03-17T17:46:40Z", [{"field": "updated_at", "compares": ">", "time": NOW}]),
        ("ended:*", [{"field": "ended_at", "prefixes": ("",)}]),
        (
            "version:1.0.0 -id:a",
            [{"field": "version", "values": ("1.0.0",)}, {"field": "id", "values": ("a",), "negated": True}],
        ),
    ],
)
def test_a_query_is_read(text: str, expected: list[dict[str, Any]]) -> None:
    """Each term becomes a condition."""
    assert read(text) == tuple(Condition(**each) for each in expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order", "at column 1: a term is written field:value"),
        ("status:Failed nme:x", "at column 15: there is no field 'nme'"),
        ("-nme:x", "at column 2: there is no field 'nme'"),
        ("status:", "at column 8: a value is missing behind status:"),
        ("id:a,", "at column 6: a value is missing behind id:"),
        ("id:a,,b", "at column 6: a value is missing"),
        ('id:"a', "at column 4: this double quote is not closed"),
        ('tag."a b:x', "at column 5: this double quote is not closed"),
        ("input.id:x", "at column 1: there is no field 'input.id'"),
        ("-a.b>x", "at column 2: there is no field 'a.b'"),
        (":x", "at column 1: a term is written field:value"),
        ("status:Failed OR status:Running", "at column 15: there is no OR"),
        ("workflow:*der", "at column 10: a star stands for anything at the end alone"),
        ("id:a*b*", "at column 5: a star stands for anything at the end alone"),
        ('id:"a"b', "at column 7: a space is missing"),
        ("status:Nope", "at column 8: there is no status 'Nope'"),
        ("status:F*", "at column 8: a status is written in full"),
        ("id>a", "at column 1: id has no order"),
        ("created:2030-01-01", "at column 9: created is compared with one time"),
        ("created>2030-01-01,2031-01-01", "compared with one time"),
        ("created>tomorrow", "at column 9: 'tomorrow' is no time"),
        ("created>-7x", "'-7x' is no time ("),
        ("created>2030-13-01", "'2030-13-01' is no time"),
        ("id:" + "x" * 5000, "more than 4096 characters"),
        ("id:x " * 33, "more than 32 terms"),
        ("id:" + ",".join("x" * 1 for _ in range(101)), "more than 100 values"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, message: str) -> None:
    """With the place, and a hint."""
    with pytest.raises(UserError) as caught:
        read(text)
    assert caught.value.code == "invalid_query"
    assert message in str(caught.value)
    assert str(caught.value).count("is no time") <= 1
    assert caught.value.hint


@given(st.text(max_size=60) | st.text(alphabet='ab:*-"\\, >=<.tagidsu', max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    """It is read, or refused with a message."""
    found: tuple[Condition, ...] = ()
    with suppress(UserError):
        found = read(text)
    assert all(each.values or each.prefixes or each.compares for each in found)


@pytest.mark.parametrize("sort", ["", "updated", "created:", "created:up", "id:asc:asc"])
def test_an_order_that_there_is_not(sort: str) -> None:
    """Is refused with those that there are."""
    with pytest.raises(UserError, match="there is no order") as caught:
        Client(open_store("memory://")).instances(sort=sort)
    assert caught.value.code == "invalid_order"


def test_a_cursor_belongs_to_its_order() -> None:
    """That of another one is refused."""
    client = Client(open_store("memory://"))
    with pytest.raises(UserError, match="cursor"):
        client.instances(sort="created", cursor="WyJhIiwiYSJd")
