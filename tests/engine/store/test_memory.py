from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.store.conformance import Conformance
from tests.engine.store.factory import Hub, memory_hub


class TestMemoryStore(Conformance):
    """The reference model keeps its own promises."""

    @pytest.fixture
    def hub(self) -> Iterator[Hub]:
        hub = memory_hub()
        yield hub
        hub.close()
