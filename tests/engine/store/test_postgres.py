from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure.engine.errors import Refused
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance import Conformance
from tests.engine.store.factory import (
    LEASE,
    SECOND,
    Hub,
    batch,
    first_turn,
    message,
    payload,
    postgres_hub,
    worker,
)
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started


class TestPostgresStore(Conformance):
    """A schema keeps every promise of a store; what it does in its own way stands here."""

    @pytest.fixture
    def hub(self, postgres: Server) -> Iterator[Hub]:
        hub = postgres_hub(postgres.new_hub())
        yield hub
        hub.close()

    def test_a_killed_worker_is_gone_at_once(self, hub: Hub, store: Store) -> None:
        """Here nobody can tell: its lease decides."""
        hub.connect().join(worker("w2"), LEASE)
        assert store.gone("w1") == []

    def test_a_message_of_a_client_is_news(self, hub: Hub, store: Store) -> None:
        """The hint comes once, when its sender has said all it had to say: a notice is a transaction too."""
        store.commit(batch(first_turn()))
        store.changed()
        client = hub.connect()
        client.send(message(), None)
        client.close()
        assert [store.changed(), store.changed()] == [True, False]

    def test_time_is_told_alike_to_another_process(self, hub: Hub, store: Store) -> None:
        """All ask one clock, the database's; nothing is written down for those who come later."""
        other = hub.connect()
        hub.clock.now += SECOND
        assert [store.time(), other.time()] == [hub.clock.now] * 2

    @pytest.mark.parametrize("text", ["\U0001f600", "\ufeff\u202e", "\ud7ff\ue000", "'\"\\;--%s"])
    def test_any_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        """All of Unicode but halves of surrogate pairs, and U+0000, which JSON writes as an escape."""
        super().test_any_text_is_kept_as_it_is(store, text)
        with pytest.raises(Refused):
            store.commit(batch(first_turn("i2", payloads=(payload("a\0b", "i2"),))))
