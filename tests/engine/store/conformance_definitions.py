"""What every store must do with definitions: one active version at most, and none that is retired."""

from __future__ import annotations

import pytest

from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import audited, definition


class DefinitionConformance(Fixtures):
    """Which version starts."""

    @pytest.fixture
    def two(self, store: Store) -> Store:
        """Versions 1 and 2, of which 2 is active."""
        store.deploy([(definition("1"), "p")])
        store.deploy([(definition("2"), "p")])
        return store

    def states(self, store: Store) -> dict[str, tuple[bool, bool]]:
        """Of each version whether it is active, and whether it is retired."""
        return {each.version: (each.active, each.retired) for each in store.definitions("order")}

    def test_a_version_may_be_deployed_beside_the_active_one(self, two: Store) -> None:
        """Also one that is there already."""
        two.deploy([(definition("3"), "p"), (definition("1"), "p")], activate=False)
        assert self.states(two) == {"1": (False, False), "2": (True, False), "3": (False, False)}

    def test_one_version_is_active(self, two: Store) -> None:
        """What comes back is what was; nothing changes twice."""
        before = two.activate("order", "1", audited("order@1"))
        assert before == definition("1", active=False)
        two.activate("order", "1", audited("order@1"))
        assert self.states(two) == {"1": (True, False), "2": (False, False)}
        assert [entry.target for entry in two.audit(AuditQuery())] == ["order@1"]

    def test_a_retired_version_is_not_active(self, two: Store) -> None:
        """No version is; deploying it again changes nothing, activating it does."""
        assert two.retire("order", "2", audited("order@2")) == definition("2")
        two.retire("order", "2", audited("order@2"))
        two.deploy([(definition("2"), "p")])
        assert self.states(two) == {"1": (False, False), "2": (False, True)}
        assert two.look_up([], [("order", None)], []).definitions == {}
        two.activate("order", "2", audited("order@2"))
        assert self.states(two) == {"1": (False, False), "2": (True, False)}
        assert len(two.audit(AuditQuery())) == 2

    def test_another_definition_is_left_alone(self, two: Store) -> None:
        """Of the same version."""
        two.deploy([(definition("2", name="other"), "p")])
        two.retire("order", "2", audited())
        assert [each.active for each in two.definitions("other")] == [True]

    def test_what_is_not_there_is_not_audited(self, two: Store) -> None:
        """Neither unknown names nor unknown versions."""
        assert two.activate("order", "9", audited()) is None
        assert two.retire("none", "1", audited()) is None
        assert two.audit(AuditQuery()) == []

    def test_only_new_versions_are_audited(self, two: Store) -> None:
        """And nothing when one of them is there with other content."""
        said = [audited("order@2"), audited("order@3")]
        two.deploy([(definition("2", digest="other"), "p"), (definition("3"), "p")], audit=said)
        assert two.audit(AuditQuery()) == []
        two.deploy([(definition("2"), "p"), (definition("3"), "p")], audit=said)
        assert [entry.target for entry in two.audit(AuditQuery())] == ["order@3"]

    def test_definitions_are_read_in_pages(self, empty: Store) -> None:
        """Each goes on after the last one of the page before, also within a name and a moment."""
        for at, version in ((1, "1"), (2, "2"), (2, "3"), (2, "10")):
            empty.deploy([(definition(version, name, created_at=at), "{}") for name in ("a", "b")])
        every = [(one.name, one.created_at, one.version) for one in empty.definitions()]
        for limit in (1, 2, 3, 9):
            found: list[tuple[str, int, str]] = []
            while page := empty.definitions(after=found[-1] if found else None, limit=limit):
                assert len(page) <= limit
                found += [(one.name, one.created_at, one.version) for one in page]
            assert found == every
        for after, wanted in ((every[1], every[4:6]), (every[4], every[5:7]), (every[7], [])):
            named = empty.definitions("b", after=after, limit=2)
            assert [(one.name, one.created_at, one.version) for one in named] == wanted
