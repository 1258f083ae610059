from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine.store import listing
from tests.engine.store.conformance import Conformance
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.conformance_listing import ListingConformance
from tests.engine.store.factory import Hub, sqlite_hub


class TestSqliteStore(Conformance):
    """A file keeps every promise of a store."""

    @pytest.fixture
    def hub(self, tmp_path: Path) -> Iterator[Hub]:
        hub = sqlite_hub(tmp_path / "hub.db")
        yield hub
        hub.close()


class TestListsInTheirOrder(ListingConformance, Fixtures):
    """What is listed does not hang on whether very many instances have the tag."""

    @pytest.fixture
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
        monkeypatch.setattr(listing, "MANY", 1)
        hub = sqlite_hub(tmp_path / "hub.db")
        yield hub
        hub.close()
