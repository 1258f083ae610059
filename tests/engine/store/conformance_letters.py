"""What every store must do with dead letters: deliver them after all, or forget them, once and audited."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.errors import Conflict, Ended, NotFound, PerdureError
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    audited,
    batch,
    dead_letter,
    first_turn,
    instance,
    message,
    request,
    row,
    task,
    turn,
)


class LettersConformance(Fixtures):
    """The letter goes when its message goes back, in one transaction."""

    @pytest.fixture
    def letter(self, store: Store) -> int:
        """The number of a dead letter to a running instance."""
        return self.given_letter(store)

    def given_letter(self, store: Store, of: str = "i1", **more: Any) -> int:
        """A dead letter, and the running instance that it is for; its number."""
        turns = [first_turn()] if store.instance("i1") is None else []
        store.commit(batch(*turns, dead_letters=(dead_letter("dead", of, **more),)))
        return store.dead_letters()[0].ord

    def test_a_redelivered_letter_is_in_the_inbox(self, store: Store, letter: int) -> None:
        """Under the new id, with everything that it was."""
        assert store.redeliver(letter, "m9", None) is None
        assert store.inbox(ALL, 9) == [message("m9", event="{}")]
        assert store.dead_letters() == []

    def test_a_redelivered_letter_answers_what_it_answered(self, store: Store) -> None:
        """Its execution is kept, and must be the present one."""
        letter = self.given_letter(store, execution="i1-e1")
        store.redeliver(letter, "m9", None)
        assert [one.execution for one in store.inbox(ALL, 9)] == ["i1-e1"]

    def test_a_letter_for_an_earlier_execution_stays(self, store: Store) -> None:
        """Another execution did not ask for it."""
        letter = self.given_letter(store, execution="i1-e0")
        with pytest.raises(Conflict, match="execution that is over"):
            store.redeliver(letter, "m9", None)
        assert store.inbox(ALL, 9) == []
        assert len(store.dead_letters()) == 1

    def test_a_letter_without_receiver_stays(self, store: Store) -> None:
        """There is nobody who could take it."""
        with pytest.raises(NotFound, match="instance 'i2'"):
            store.redeliver(self.given_letter(store, "i2"), "m9", None)
        assert len(store.dead_letters()) == 1

    def test_a_letter_for_an_ended_instance_stays(self, store: Store, letter: int) -> None:
        """It would be a dead letter again."""
        ended = instance(status=Status.TERMINATED)
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=ended)))
        with pytest.raises(Ended):
            store.redeliver(letter, "m9", None)
        assert [one.ord for one in store.dead_letters()] == [letter]

    def test_an_entity_need_not_be_there(self, store: Store) -> None:
        """It is when it is spoken to."""
        store.redeliver(self.given_letter(store, "@Account@7"), "m9", None)
        assert [one.instance for one in store.inbox(ALL, 9)] == ["@Account@7"]

    def test_a_task_is_not_delivered_again(self, store: Store) -> None:
        """Its instance has heard that it failed."""
        store.commit(batch(first_turn(tasks=(task(deliveries=5),))))
        store.claim("w1", ["mail"], [], 9, 5)
        (letter,) = store.dead_letters()
        with pytest.raises(Conflict, match="heard that it failed"):
            store.redeliver(letter.ord, "m9", None)
        assert (letter.is_task, letter.execution) == (True, "i1-e1")

    def test_a_discarded_letter_is_gone(self, store: Store, letter: int) -> None:
        """And goes nowhere."""
        assert store.discard(letter, None) is None
        assert (store.dead_letters(), store.inbox(ALL, 9)) == ([], [])

    @pytest.mark.parametrize("verb", ["redeliver", "discard"])
    def test_a_letter_goes_once(self, store: Store, letter: int, verb: str) -> None:
        """Whoever comes second finds nothing."""
        self.settle(store, verb, letter)
        with pytest.raises(NotFound, match=f"dead letter {letter}"):
            self.settle(store, verb, letter)
        assert len(store.inbox(ALL, 9)) == (verb == "redeliver")

    @pytest.mark.parametrize("verb", ["redeliver", "discard"])
    def test_settling_is_repeatable_by_key(self, store: Store, letter: int, verb: str) -> None:
        """The second request finds what the first one answered, and does nothing."""
        key = request(route="letter", target=str(letter))
        assert self.settle(store, verb, letter, key) is None
        assert self.settle(store, verb, letter, key) == key
        assert len(store.audit(AuditQuery())) == 1

    @pytest.mark.parametrize("verb", ["redeliver", "discard"])
    def test_settling_is_audited(self, store: Store, letter: int, verb: str) -> None:
        """With the effect, and not without one."""
        self.settle(store, verb, letter)
        with pytest.raises(PerdureError):
            self.settle(store, verb, letter)
        assert [entry.target for entry in store.audit(AuditQuery())] == ["i1"]

    def settle(self, store: Store, verb: str, letter: int, key: Any = None) -> Any:
        """Do it, as an operator."""
        if verb == "discard":
            return store.discard(letter, key, audited())
        return store.redeliver(letter, f"new-{len(store.inbox(ALL, 9))}", key, audited())

    def test_a_number_is_used_once(self, store: Store, letter: int) -> None:
        """Also when its letter is gone: what somebody noted down never means another one."""
        store.discard(letter, None)
        assert self.given_letter(store) == letter + 1

    def test_a_letter_is_found_by_its_number(self, store: Store, letter: int) -> None:
        """None when there is none."""
        found = store.dead_letter(letter)
        assert found is not None
        assert (found.id, found.ord) == ("dead", letter)
        assert store.dead_letter(letter + 1) is None
