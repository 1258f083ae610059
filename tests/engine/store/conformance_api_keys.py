"""Keys of those who ask over HTTP: promises of every store."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.audit import entry
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import ApiKey, AuditQuery
from tests.engine.store.factory import Hub


def key(id: str = "k1", name: str = "ci", **more: Any) -> ApiKey:
    """A key that may look."""
    return ApiKey(id=id, name=name, role="viewer", hash="h", **more)


class ApiKeyConformance:
    """What is kept of a key."""

    def test_a_key_is_kept_as_it_is(self, hub: Hub, store: Store) -> None:
        """And created now."""
        kept = store.add_api_key(key(expires_at=7), entry("ann", "key.create", "ci"))
        assert kept == key(expires_at=7, created_at=hub.clock.now)
        assert (store.api_key("k1"), store.api_keys()) == (kept, [kept])
        assert [each.action for each in store.audit(AuditQuery())] == ["key.create"]

    def test_an_unknown_key_is_none(self, store: Store) -> None:
        """Nobody has it."""
        assert (store.api_key("k1"), store.api_keys()) == (None, [])

    def test_a_name_is_used_once(self, store: Store) -> None:
        """By those that are not revoked; nothing is written of the second one."""
        store.add_api_key(key())
        with pytest.raises(Conflict):
            store.add_api_key(key("k2"), entry("ann", "key.create", "ci"))
        assert [each.id for each in store.api_keys()] == ["k1"]
        assert store.audit(AuditQuery()) == []
        store.revoke_api_key("ci")
        assert store.add_api_key(key("k2")).name == "ci"

    @pytest.mark.parametrize("said", ["k1", "ci"])
    def test_a_revoked_key_stays_so(self, hub: Hub, store: Store, said: str) -> None:
        """By its id or its name; the second time changes nothing."""
        store.add_api_key(key())
        hub.clock.now += 5
        revoked = store.revoke_api_key(said, entry("ann", "key.revoke", "ci"))
        assert revoked.revoked_at == hub.clock.now
        hub.clock.now += 5
        assert store.revoke_api_key("k1", entry("ann", "key.revoke", "ci")) == revoked
        assert len(store.audit(AuditQuery())) == 1

    def test_nobody_is_not_revoked(self, store: Store) -> None:
        """And neither is the name of one that is revoked."""
        store.add_api_key(key())
        store.revoke_api_key("ci")
        for name in ("nobody", "ci"):
            with pytest.raises(NotFound):
                store.revoke_api_key(name)

    def test_a_use_is_noted_now_and_then(self, hub: Hub, store: Store) -> None:
        """Not for each request."""
        store.add_api_key(key())
        first = hub.clock.now
        for later, noted in ((0, first), (9, first), (11, first + 20)):
            hub.clock.now += later
            store.use_api_key("k1", 10)
            found = store.api_key("k1")
            assert found is not None
            assert found.used_at == noted
        store.use_api_key("nobody", 10)

    def test_what_was_refused_is_told_by_itself(self, hub: Hub, store: Store) -> None:
        """Several entries at once, in order; none is no write."""
        store.add_audit([])
        store.add_audit([entry("nobody", "denied", "GET /a"), entry("ci", "denied", "GET /b")])
        told = [(each.actor, each.target, each.at) for each in store.audit(AuditQuery())]
        assert told == [("ci", "GET /b", hub.clock.now), ("nobody", "GET /a", hub.clock.now)]
