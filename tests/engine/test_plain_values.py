"""Values of user code as JSON: what is plain already, what has to be made so, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from perdure.engine.payload import MAX_BYTES, MAX_DEPTH, BadPayload, to_json
from tests.engine.driver import Hub


@dataclass(eq=False)
class Order:
    """Compares itself with other orders, and does not think of anything else."""

    id: int

    def __eq__(self, other: object) -> bool:
        return bool(self.id == other.id)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False)
class Anything:
    """Equals all that it is compared with."""

    value: float

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Lazy(list[int]):
    """Has its items only when it is asked for them; as a list it is empty."""

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __len__(self) -> int:
        return 2


def nested(levels: int, innermost: Any) -> Any:
    """Lists in lists around a value, which is on the last of so many levels."""
    value = innermost
    for _ in range(levels - 1):
        value = [value]
    return value


def test_a_result_that_compares_itself_with_its_like_alone_is_taken(hub: Hub) -> None:
    """The work was done: it failed, and was done again, because ``==`` raised AttributeError."""
    hub.activity("Order", lambda: [Order(7)])
    hub.start('do: [{ a: { call: Order, retry: { attempts: 3, delay: 1s } } }, { return: "${ a }" }]')
    hub.advance(60)
    assert (hub.output(), len(hub.calls)) == ([{"id": 7}], 1)


def test_what_equals_everything_does_not_pass_nan_off_as_null() -> None:
    """NaN is written as null by msgspec, and only the comparison tells."""
    assert to_json([Anything(1.5)]) == [{"value": 1.5}]
    with pytest.raises(BadPayload, match="NaN"):
        to_json([Anything(math.nan)])


def test_a_list_that_makes_its_items_when_asked_is_not_empty() -> None:
    """It was stored as ``[]``: it equals that, as a list."""
    assert to_json({"items": Lazy()}) == {"items": [1, 2]}


@pytest.mark.parametrize(
    "innermost", [1, pytest.param((), id="tuple"), pytest.param([[]] * 70, id="wide")], ids=repr
)
def test_a_value_has_64_levels_and_no_more(innermost: Any) -> None:
    """Whether it is plain already or made so, and however many brackets it has."""
    own = 2 if isinstance(innermost, list) else 1
    deepest = nested(MAX_DEPTH + 1 - own, innermost)
    assert to_json(deepest) == json.loads(json.dumps(deepest))
    with pytest.raises(BadPayload, match="64 levels"):
        to_json([deepest])


@pytest.mark.parametrize("made", [list, tuple])
def test_a_value_has_1_mib_without_blanks_and_no_more(made: Any) -> None:
    """Its own text counts, not that of one way to write it."""
    around = len('["",1]')
    assert to_json(made(["x" * (MAX_BYTES - around), 1]))[1] == 1
    with pytest.raises(BadPayload, match=f"{MAX_BYTES + 1} bytes"):
        to_json(made(["x" * (MAX_BYTES - around + 1), 1]))
