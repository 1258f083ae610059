"""What the conformance tests of stores begin with."""

from __future__ import annotations

import pytest

from perdure.engine.store.protocol import Store
from tests.engine.store.factory import (
    LEASE,
    Hub,
    worker,
)


class Fixtures:
    """A store without a member, and one with an owner."""

    @pytest.fixture
    def empty(self, hub: Hub) -> Store:
        """A store that nobody has joined."""
        return hub.connect()

    @pytest.fixture
    def store(self, empty: Store) -> Store:
        """A store whose owner is the worker ``w1``."""
        empty.join(worker("w1"), LEASE)
        empty.take_slots("w1")
        return empty
