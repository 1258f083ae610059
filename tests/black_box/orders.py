"""What clients order of the shop, and what has to come of it, whatever happens on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

SHOP = Path(__file__).parent / "shop" / "shop.perdure.yaml"
ACTIVITIES = SHOP.with_name("activities.py")
WORKFLOWS = ("chain", "spread", "listen", "family", "trip", "transfer")
ACCOUNTS = ("a", "b", "c")

Line = tuple[str, int]
"""An account, and the amount that is booked."""


@dataclass(frozen=True)
class Order:
    """An instance that somebody wants."""

    id: str
    workflow: str
    input: dict[str, Any]
    output: Any
    booked: Counter[Line]
    """How many idempotency keys each line has in the ledger."""
    events: tuple[int, ...] = ()
    """Payloads of ``Go``, in order."""
    moved: Counter[str] = field(default_factory=Counter)
    """What accounts get."""

    @property
    def sent(self) -> dict[str, int]:
        """Its events under their idempotency keys."""
        return {f"{self.id} {number}": payload for number, payload in enumerate(self.events)}


def draw(random: Random, id: str, workflow: str | None = None, most: int = 7) -> Order:
    """Any order."""
    workflow = workflow or random.choice(WORKFLOWS)
    n = random.randint(2, most)
    chain = Counter({("chain", each): 1 for each in range(n)})
    match workflow:
        case "chain":
            return Order(id, workflow, {"n": n}, sum(range(n)), chain)
        case "spread":
            lines = Counter({("spread", each): 1 for each in range(n)})
            return Order(id, workflow, {"n": n}, sum(range(n)), lines)
        case "listen":
            events = tuple(random.randint(0, 99) for _ in range(n))
            heard = Counter(("listen", each) for each in events)
            return Order(id, workflow, {"n": n}, list(events), heard, events)
        case "family":
            return Order(id, workflow, {"n": n}, 2 * sum(range(n)), chain + chain)
        case "trip":
            done = Counter({("flight", n): 1, ("hotel", n): 1})
            if n % 2 == 0:
                return Order(id, workflow, {"n": n}, "booked", done)
            undone = Counter({("full", 0): 1, ("flight", -n): 1, ("hotel", -n): 1})
            return Order(id, workflow, {"n": n}, "undone", done + undone)
        case "transfer":
            giver, taker = random.sample(ACCOUNTS, 2)
            moved = Counter({taker: n, "moves": 1})
            moved[giver] = -n
            given = {"n": n, "from": giver, "to": taker}
            return Order(id, workflow, given, n, Counter({("transfer", n): 1}), moved=moved)
        case _:
            raise AssertionError(workflow)
