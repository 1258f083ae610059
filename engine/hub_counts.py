"""How much of everything there is in a hub, as a document: the same for the API and for metrics."""

from __future__ import annotations

from typing import Any

from perdure.engine.instance import SLOTS
from perdure.engine.store.protocol import Store
from perdure.engine.tasks import DEFAULT_QUEUE
from perdure.engine.views import time_text

MOST = 100_000
"""So far everything is counted: more would only take longer."""


def hub_counts(store: Store) -> dict[str, Any]:
    """Read in a few short transactions, by indexes, whatever the hub holds."""
    counts = store.counts(MOST)
    now, due = store.time(), store.next_timer(range(SLOTS))
    workers, slots = store.workers(), store.owned_slots()
    live = {each.id for each in workers}
    queues = [
        {"name": name or DEFAULT_QUEUE, "waiting": waiting} for name, waiting in sorted(counts.queues.items())
    ]
    return {
        "at": time_text(now),
        "most": MOST,
        "instances": dict(counts.instances),
        "queues": queues,
        "tasks": {"waiting": sum(each["waiting"] for each in queues), "claimed": counts.tasks_claimed},
        "messages": {"ready": counts.messages, "held": counts.messages_held},
        "timers": counts.timers,
        "late_seconds": 0.0 if due is None else max(now - due, 0) / 1_000_000,
        "dead_letters": counts.dead_letters,
        "workers": len(workers),
        "slots": {"owned": sum(count for id_, count in slots.items() if id_ in live), "of": SLOTS},
    }
