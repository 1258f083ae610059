"""Keys of those who ask over HTTP, in memory: the model of ``store.api_keys``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.store.api_keys import check_name, find_key
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import ApiKey, AuditEntry

_replace = msgspec.structs.replace


class MemoryApiKeys(MemoryTables):
    """The methods of a store."""

    def add_api_key(self, key: ApiKey, audit: AuditEntry | None = None) -> ApiKey:
        with self._write():
            check_name(key.name, self._ordered_keys())
            dated = _replace(key, created_at=self.time())
            self._insert(self._api_keys, key.id, dated)
            self._note(audit, self.time())
            return dated

    def api_keys(self) -> list[ApiKey]:
        with self._read():
            return self._ordered_keys()

    def api_key(self, id: str) -> ApiKey | None:
        with self._read():
            return self._api_keys.get(id)

    def revoke_api_key(self, name: str, audit: AuditEntry | None = None) -> ApiKey:
        with self._write():
            found = find_key(name, self._ordered_keys())
            if found.revoked_at is None:
                found = _replace(found, revoked_at=self.time())
                self._put(self._api_keys, found.id, found)
                self._note(audit, self.time())
            return found

    def use_api_key(self, id: str, every: int) -> None:
        with self._write():
            found, now = self._api_keys.get(id), self.time()
            if found is not None and (found.used_at is None or found.used_at < now - every):
                self._put(self._api_keys, id, _replace(found, used_at=now))

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self._write():
            for each in entries:
                self._note(each, self.time())

    def _ordered_keys(self) -> list[ApiKey]:
        return sorted(self._api_keys.values(), key=lambda each: (each.created_at, each.id))
