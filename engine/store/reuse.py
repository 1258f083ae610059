"""What becomes of a start whose id is in use, for every store."""

from __future__ import annotations

from typing import Literal

from perdure.engine.errors import Conflict, Ended
from perdure.engine.instance import Instance
from perdure.engine.store.rows import IfExists

Outcome = Literal["start", "replace", "tell", "nothing"]
"""Insert the instance, purge the present one first, give its event to the present one, or leave it all."""


def on_start(instance_id: str, present: Instance | None, if_exists: IfExists, *, tells: bool) -> Outcome:
    """What to do, where the start ``tells`` an event or does not.

    Raises ``Conflict`` when the id is in use, and ``Ended`` when nobody is there to hear the event.
    """
    if present is None:
        return "start"
    if if_exists == "reject":
        raise _in_use(present)
    if not present.status.ended:
        if tells:
            return "tell"
        if if_exists == "reuse":
            return "nothing"
        raise _in_use(present)
    if if_exists == "replace_ended":
        return "replace"
    if tells:
        raise Ended(f"instance {instance_id!r} has ended ({present.status})")
    return "nothing"


def _in_use(present: Instance) -> Conflict:
    return Conflict(f"an instance {present.id!r} exists already ({present.status})")
