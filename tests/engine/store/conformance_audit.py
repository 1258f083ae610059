"""What every store must do with the audit: entries go with their act, and stay in order."""

from __future__ import annotations

import pytest

from perdure.engine.errors import FenceLost, NotFound, Refused
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    BEGIN,
    SECOND,
    Hub,
    audited,
    batch,
    first_turn,
    instance,
    message,
    payload,
    request,
)


class AuditConformance(Fixtures):
    """Who did what, as the database tells it."""

    def test_an_entry_is_written_with_a_batch(self, hub: Hub, store: Store) -> None:
        """The store dates and numbers it."""
        hub.clock.now += SECOND
        store.commit(batch(first_turn(), audit=(audited(details='{"reason":"late"}'),)))
        written = audited(details='{"reason":"late"}', at=BEGIN + SECOND, ord=1)
        assert store.audit(AuditQuery()) == [written]

    def test_a_refused_batch_writes_no_entry(self, store: Store) -> None:
        """Nothing was done, so nobody did it; the number is used by the next one."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn(consumed=("unknown",)), audit=(audited(),)))
        store.commit(batch(first_turn(), audit=(audited(),)))
        assert [entry.ord for entry in store.audit(AuditQuery())] == [1]

    def test_a_fenced_worker_writes_no_entry(self, store: Store) -> None:
        """The fence holds for the audit too."""
        store.leave("w1")
        with pytest.raises(FenceLost):
            store.commit(batch(audit=(audited(),)))
        assert store.audit(AuditQuery()) == []

    def test_an_entry_is_written_with_a_message(self, store: Store) -> None:
        """Without a message, no entry."""
        store.commit(batch(first_turn()))
        store.send(message(), None, audited())
        with pytest.raises(NotFound):
            store.send(message("m2", "i2"), None, audited("i2"))
        assert [entry.target for entry in store.audit(AuditQuery())] == ["i1"]

    def test_a_repeated_request_is_audited_once(self, store: Store) -> None:
        """The second one does nothing."""
        store.commit(batch(first_turn()))
        for id_ in ("m1", "m2"):
            store.send(message(id_), request(), audited())
        assert len(store.audit(AuditQuery())) == 1

    def test_an_entry_is_written_with_a_start(self, store: Store) -> None:
        """As with any message."""
        pending = instance(status=Status.PENDING)
        store.start(pending, payload(), message(), None, audited(action="instance.restart"))
        assert [entry.action for entry in store.audit(AuditQuery())] == ["instance.restart"]

    def test_the_newest_entry_comes_first(self, store: Store) -> None:
        """Also of those that were written at one time."""
        store.commit(batch(audit=(audited("a"), audited("b"))))
        store.commit(batch(audit=(audited("c"),)))
        assert [entry.target for entry in store.audit(AuditQuery())] == ["c", "b", "a"]

    def test_the_audit_is_read_in_pages(self, store: Store) -> None:
        """The last number of a page is where the next one begins."""
        store.commit(batch(audit=tuple(audited(name) for name in "abc")))
        first = store.audit(AuditQuery(limit=2))
        second = store.audit(AuditQuery(limit=2, before=first[-1].ord))
        assert [[entry.target for entry in page] for page in (first, second)] == [["c", "b"], ["a"]]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (AuditQuery(target="a"), [3, 1]),
            (AuditQuery(action="instance.suspend"), [3]),
            (AuditQuery(actor="bob"), [2]),
            (AuditQuery(target="a", actor="ann", before=3), [1]),
            (AuditQuery(target="z"), []),
        ],
    )
    def test_the_audit_is_filtered(self, store: Store, query: AuditQuery, found: list[int]) -> None:
        """By what was acted on, by the act and by who acted, all at once."""
        three = (audited("a"), audited("b", actor="bob"), audited("a", action="instance.suspend"))
        store.commit(batch(audit=three))
        assert [entry.ord for entry in store.audit(query)] == found
