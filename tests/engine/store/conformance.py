"""All that is asked of every store, in one class: what is added here is asked of each of them."""

from __future__ import annotations

from tests.engine.store.conformance_api_keys import ApiKeyConformance
from tests.engine.store.conformance_audit import AuditConformance
from tests.engine.store.conformance_claims import ClaimConformance
from tests.engine.store.conformance_clients import ClientConformance
from tests.engine.store.conformance_commits import CommitConformance
from tests.engine.store.conformance_counting import CountingConformance
from tests.engine.store.conformance_definitions import DefinitionConformance
from tests.engine.store.conformance_entities import EntityConformance
from tests.engine.store.conformance_letters import LettersConformance
from tests.engine.store.conformance_life import LifeConformance
from tests.engine.store.conformance_listing import ListingConformance
from tests.engine.store.conformance_members import MembershipConformance
from tests.engine.store.conformance_payloads import PayloadConformance
from tests.engine.store.conformance_reads import ReadConformance
from tests.engine.store.conformance_reopening import ReopeningConformance
from tests.engine.store.conformance_schedules import ScheduleConformance
from tests.engine.store.conformance_slots import SlotConformance
from tests.engine.store.conformance_subscriptions import SubscriptionConformance
from tests.engine.store.conformance_suspects import SuspectsConformance
from tests.engine.store.conformance_tasks import TaskConformance


class Conformance(
    MembershipConformance,
    CommitConformance,
    ReadConformance,
    TaskConformance,
    ClientConformance,
    EntityConformance,
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
