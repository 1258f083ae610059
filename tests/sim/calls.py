"""The methods of a store, by what may go wrong with them."""

from __future__ import annotations

from perdure.engine.store.protocol import Store

READS = frozenset(
    "time changed listen listening close workers gone crashes suspected owned_slots load load_entities"
    " load_open inbox timers next_timer next_delayed look_up heartbeat_details token_key claimed_count queues"
    " claimed waiting_tasks program definitions entities waited instance in_inbox payloads payload instances"
    " history dead_letters dead_letter audit count_ended counts schedules schedule due_schedules"
    " active_workflows".split()
)
WRITES = frozenset(name for name in dir(Store) if not name.startswith("_")) - READS
"""Methods that write, so that the outcome may be unknown."""
SENDS = frozenset("send post start reopen publish record answer".split())
"""Methods that put something into an inbox and nothing else: they may overtake each other."""
