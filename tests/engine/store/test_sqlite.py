from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.store.conformance import Conformance
from tests.engine.store.factory import Hub, sqlite_hub


class TestSqliteStore(Conformance):
    """A file keeps every promise of a store."""

    @pytest.fixture
    def hub(self, tmp_path: Path) -> Iterator[Hub]:
        hub = sqlite_hub(tmp_path / "hub.db")
        yield hub
        hub.close()
