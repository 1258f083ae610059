"""Values of instances in memory: the model of ``store.values``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.codec import is_key, keys_in
from perdure.engine.instance import Instance
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import (
    HistoryRow,
    PayloadRow,
)

_WHOLE = ("input", "output", "error")
_replace = msgspec.structs.replace


class MemoryPayloads(MemoryTables):
    """The methods of a store."""

    def payloads(self, instance_id: str) -> dict[str, str]:
        with self._read():
            return self._texts(instance_id)

    def _texts(self, instance_id: str) -> dict[str, str]:
        whole = (self._payloads.get((instance_id, key)) for key in _WHOLE)
        found = {row.key: row.value for row in whole if row is not None}
        apart = " ".join(text for text in found.values() if is_key(text))
        values = self._values(instance_id, apart)
        return {key: values.get(text, text) for key, text in found.items()}

    def with_payloads(self, ids: Sequence[str]) -> dict[str, tuple[Instance, dict[str, str]]]:
        with self._read():
            there = {each: self._instances[each] for each in ids if each in self._instances}
            return {each: (instance, self._texts(each)) for each, instance in there.items()}

    def payload(self, instance_id: str, key: str) -> str | None:
        with self._read():
            row = self._payloads.get((instance_id, key))
            return None if row is None else row.value

    def _keep(self, payload: PayloadRow) -> None:
        """Write a value; what is kept for ever stays so, else the latest generation counts."""
        key = payload.instance, payload.key
        present = self._payloads.get(key)
        if present is not None:
            both = (present.generation, payload.generation)
            generation = None if None in both else max(each for each in both if each is not None)
            payload = _replace(payload, generation=generation)
        self._put(self._payloads, key, payload)

    def _values(self, instance: str, text: str) -> dict[str, str]:
        """The values that a text refers to. A chunk has those of its parent too."""
        row = self._instances.get(instance)
        lender = instance if row is None or row.parent_id is None else row.parent_id
        found = {
            key: self._payloads.get((instance, key)) or self._payloads.get((lender, key))
            for key in keys_in(text)
        }
        return {key: row.value for key, row in found.items() if row is not None}

    def _whole(self, row: HistoryRow) -> HistoryRow:
        return _replace(row, values=self._values(row.instance, row.events))
