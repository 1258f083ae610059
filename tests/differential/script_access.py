"""Calls about the keys of those who ask over HTTP."""

from __future__ import annotations

from perdure.engine.store.rows import ApiKey
from tests.differential.calls import Call
from tests.differential.draw import Draw
from tests.engine.store.factory import SECOND, audited

_NAMES = ("ann", "bob", "ci")


class Access(Draw):
    """Who may ask."""

    def _key_id(self) -> str:
        present = list(self.model._api_keys)
        return self.random.choice(present) if present and self.some(80) else "k0"

    def add_api_key(self) -> Call:
        key = ApiKey(
            id=f"k{self.number()}" if self.some(95) else self._key_id(),
            name=self.random.choice(_NAMES),
            role=self.random.choice(["viewer", "operator", "admin"]),
            hash=self.text(),
            expires_at=self.time() or None,
        )
        return Call("add_api_key", (key, audited(key.name) if self.some(50) else None))

    def api_keys(self) -> Call:
        return Call("api_keys")

    def api_key(self) -> Call:
        return Call("api_key", (self._key_id(),))

    def revoke_api_key(self) -> Call:
        name = self.random.choice(_NAMES) if self.some(60) else self._key_id()
        return Call("revoke_api_key", (name, audited(name) if self.some(50) else None))

    def use_api_key(self) -> Call:
        return Call("use_api_key", (self._key_id(), self.random.choice([0, 3 * SECOND])))

    def add_audit(self) -> Call:
        names = [self.random.choice(_NAMES) for _ in range(self.random.randint(0, 3))]
        return Call("add_audit", ([audited(each) for each in names],))
