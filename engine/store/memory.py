"""The reference model of a store: dictionaries, one lock, no cleverness.

Tests and the simulator run on it, and every other store must give the same answers. Each method is atomic:
what it has written is undone in reverse when a guard fails.
"""

from __future__ import annotations

from perdure.engine.store.memory_api_keys import MemoryApiKeys
from perdure.engine.store.memory_clients import MemoryClients
from perdure.engine.store.memory_counting import MemoryCounting
from perdure.engine.store.memory_members import MemoryMembers
from perdure.engine.store.memory_signs import MemorySigns
from perdure.engine.store.memory_tasks import MemoryTasks
from perdure.engine.store.memory_turns import MemoryTurns
from perdure.engine.store.notices import Untold


class MemoryStore(
    MemoryApiKeys,
    MemoryClients,
    MemoryCounting,
    MemoryMembers,
    MemorySigns,
    MemoryTasks,
    MemoryTurns,
    Untold,
):
    """A hub that ends with the process. ``clock`` gives microseconds since 1970 UTC.

    Several workers may join one store, as several processes would one database.
    """

    def changed(self) -> bool:
        """Whether anything was written since the last call, by whomever."""
        with self._read():
            changed, self._changed = self._changed, False
            return changed

    def close(self) -> None:
        self._reading.closed = True
