from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.store.conformance import StoreConformance
from tests.engine.store.conformance_audit import AuditConformance
from tests.engine.store.conformance_claims import ClaimConformance
from tests.engine.store.conformance_definitions import DefinitionConformance
from tests.engine.store.conformance_letters import LettersConformance
from tests.engine.store.conformance_life import LifeConformance
from tests.engine.store.conformance_listing import ListingConformance
from tests.engine.store.conformance_payloads import PayloadConformance
from tests.engine.store.conformance_reopening import ReopeningConformance
from tests.engine.store.conformance_schedules import ScheduleConformance
from tests.engine.store.conformance_subscriptions import SubscriptionConformance
from tests.engine.store.conformance_suspects import SuspectsConformance
from tests.engine.store.factory import Hub, sqlite_hub


class TestSqliteStore(
    StoreConformance,
    AuditConformance,
    ClaimConformance,
    LifeConformance,
    LettersConformance,
    ListingConformance,
    PayloadConformance,
    ScheduleConformance,
    SubscriptionConformance,
    ReopeningConformance,
    DefinitionConformance,
    SuspectsConformance,
):
    """A file keeps every promise of a store."""

    @pytest.fixture
    def hub(self, tmp_path: Path) -> Iterator[Hub]:
        hub = sqlite_hub(tmp_path / "hub.db")
        yield hub
        hub.close()
