"""Idempotency keys: one for each thing to be done, and the same one whenever it is done again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.engine.driver import Hub

# Every call gets a value of its own, so that one value is one thing to be done.
EVERYWHERE = """
do:
  - first: { call: Once, with: "${ ['first', workflow.generation] }" }
  - second: { call: Once, with: "${ ['second', workflow.generation] }" }
  - outer:
      fan_out: ${ input.keys }
      key: ${ a }
      each: a
      do:
        - one: { call: Once, with: "${ ['one', a, workflow.generation] }" }
        - inner:
            fan_out: ${ input.keys }
            key: ${ b }
            each: b
            do: [{ two: { call: Once, with: "${ ['two', a, b, workflow.generation] }" } }]
  - rounds:
      for_each: [0, 1, 10]
      each: n
      do:
        - more:
            for_each: [0, 1]
            each: m
            do: [{ three: { call: Once, with: "${ ['three', string(n), string(m), workflow.generation] }" } }]
  - both:
      parallel:
        left: [{ x: { call: Once, with: "${ ['left', workflow.generation] }" } }]
        right: [{ x: { call: Once, with: "${ ['right', workflow.generation] }" } }]
  - if: ${ input.more }
    then: [{ continue_as_new: { input: { keys: "${ input.keys }", more: false } } }]
"""
KEYS = ["a", "b", "a/b", "a]/do/0/one[b", "[", "]", "%2F", "/", "0", "1", "", "ä", "A"]


def test_each_thing_has_a_key_and_each_key_is_one_thing(hub: Hub) -> None:
    """Over steps, items with awkward keys, iterations, branches, generations and instances; retries share."""
    tries: Counter[Any] = Counter()
    things: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}

    def once(value: list[Any], ctx: Any) -> None:
        thing = f"{ctx.instance_id} {value}"
        things.setdefault(ctx.idempotency_key, set()).add(thing)
        keys.setdefault(thing, set()).add(ctx.idempotency_key)
        tries[thing] += 1
        if tries[thing] == 1:
            raise ConnectionError("again")

    hub.activity("Once", once)
    text = EVERYWHERE.replace("call: Once,", "call: Once, retry: { attempts: 2, delay: 0s },")
    for name in ("i", "j"):
        hub.start(text, {"keys": KEYS, "more": True}, id=name)
    hub.run()
    assert [hub.status(name) for name in ("i", "j")] == ["Completed"] * 2
    items = len(KEYS)
    assert len(keys) == 2 * 2 * (2 + items + items * items + 6 + 2)
    assert {len(each) for each in things.values()} == {1}
    assert {len(each) for each in keys.values()} == {1}
    assert set(tries.values()) == {2}


def test_a_redelivery_has_the_key_of_the_first(hub: Hub) -> None:
    """After a crash the activity sees the key that it saw before."""
    seen: list[str] = []
    hub.activity("Once", lambda ctx: seen.append(ctx.idempotency_key))
    hub.manual = True
    hub.start("do: [{ a: { call: Once } }]")
    hub.run()
    first = hub.open[0].key
    hub.crash()
    hub.manual = False
    hub.run()
    assert seen == [first]
