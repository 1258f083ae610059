"""Steps that speak to entities, and the entities."""

from __future__ import annotations

from typing import Any

from perdure import entity, readonly
from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step

TALLY = """\
dsl: perdure/1
kind: entity
name: Tally
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ input }" }
  next: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
  get: { readonly: true, return: "${ state }" }
  put: { input: { type: integer }, set: "${ input }" }
"""
"""The entity that documents speak to; ``Count`` is the same in Python."""


@entity
class Count:
    """As ``TALLY``."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Add."""
        self.value += amount
        return amount

    def next(self, amount: int) -> int:
        """Add, and say what comes of it."""
        self.value += amount
        return self.value

    @readonly
    def get(self) -> int:
        """Look."""
        return self.value

    def put(self, value: int) -> None:
        """Write."""
        self.value = value


KEYS = "ab"
"""Few entities, so that instances meet there."""


def add(maker: Maker, place: Place) -> Step:
    """A call that gives back what it adds."""
    id_, (text, number) = _entity(maker), maker.number(place.names)
    task = {"call_entity": id_, "op": "add", "with": f"${{ {text} }}"}

    def value(state: State) -> int:
        state.totals[id_] += number(state)
        return int(number(state))

    return maker.named(place, maker.name(), task, value)


def tell(maker: Maker, place: Place) -> Step:
    """A message that nobody waits for, now or later."""
    id_, (text, number) = _entity(maker), maker.number(place.names)
    told: dict[str, Any] = {"entity": id_, "op": "add", "with": f"${{ {text} }}"}
    if maker.random.random() < 0.3:
        later = "5h" if maker.long_time else "2s"
        told["at"] = f"${{ now() + duration('{later}') }}"

    def run(state: State) -> None:
        state.totals[id_] += number(state)

    return {"signal_entity": told}, run


def locked(maker: Maker, place: Place) -> Step:
    """Read and write, which is right only if nobody comes between."""
    # What a child did inside a lock does not go on: then its parent fails for it, and rightly.
    maker.one_way = True
    name, (text, number) = maker.name(), maker.number(place.names)
    entities = list(dict.fromkeys([_entity(maker), _entity(maker)]))
    steps: list[dict[str, Any]] = []
    for count, each in enumerate(entities):
        seen = f"{name}_{count}"
        steps += [
            {seen: {"call_entity": each, "op": "get"}},
            {f"{seen}w": {"call_entity": each, "op": "put", "with": f"${{ {seen} + {text} }}"}},
        ]
    task = {"lock_entities": entities, "do": [*steps, {"output": 5}]}

    def value(state: State) -> int:
        for each in entities:
            state.totals[each] += number(state)
        return 5

    return maker.named(place, name, task, value)


def _entity(maker: Maker) -> str:
    """One of few, so that instances meet there: of YAML or in Python."""
    return f"{maker.random.choice(['Tally', 'Count'])}@{maker.random.choice(KEYS)}"
