"""All that is asked of every store, in one class: what is added here is asked of each of them."""

from __future__ import annotations

from tests.engine.store.conformance import StoreConformance
from tests.engine.store.conformance_api_keys import ApiKeyConformance
from tests.engine.store.conformance_audit import AuditConformance
from tests.engine.store.conformance_claims import ClaimConformance
from tests.engine.store.conformance_counting import CountingConformance
from tests.engine.store.conformance_definitions import DefinitionConformance
from tests.engine.store.conformance_letters import LettersConformance
from tests.engine.store.conformance_life import LifeConformance
from tests.engine.store.conformance_listing import ListingConformance
from tests.engine.store.conformance_payloads import PayloadConformance
from tests.engine.store.conformance_reopening import ReopeningConformance
from tests.engine.store.conformance_schedules import ScheduleConformance
from tests.engine.store.conformance_slots import SlotConformance
from tests.engine.store.conformance_subscriptions import SubscriptionConformance
from tests.engine.store.conformance_suspects import SuspectsConformance


class Conformance(
    StoreConformance,
    ApiKeyConformance,
    AuditConformance,
    ClaimConformance,
    CountingConformance,
    LifeConformance,
    LettersConformance,
    ListingConformance,
    PayloadConformance,
    ScheduleConformance,
    SlotConformance,
    SubscriptionConformance,
    ReopeningConformance,
    DefinitionConformance,
    SuspectsConformance,
):
    """A store's own tests inherit this, and give it a fixture ``hub``."""
