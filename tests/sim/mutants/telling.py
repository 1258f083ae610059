"""Wrong engines whose workers overlook something: what nobody has told, or what they were told."""

from __future__ import annotations

from functools import partial

from tests.sim.mutants.model import one

_TOLD = partial(one, store="told")
_TELLING = "perdure.engine.store.telling"

TELLING = {
    "message_not_told": _TOLD(_TELLING, "if rows and statement in MESSAGES:", "if False:"),
    "message_of_a_turn_not_told": _TOLD(
        _TELLING, "self._tell(notice.without(self._owned), quiet=True)", "pass"
    ),
    "task_not_told": _TOLD(
        _TELLING, "if any(row[place] is None for row in rows):", "if any(row is None for row in rows):"
    ),
    "notices_of_other_than_messages_unheard": _TOLD(
        _TELLING, "if notice.slots & self._owned or any(notice[1:]):", "if notice.slots & self._owned:"
    ),
    "messages_for_slots_that_were_taken_unheard": _TOLD(
        _TELLING,
        "taken = self._slots[worker] = super().take_slots(worker, slots)",
        "taken = super().take_slots(worker, slots)",
    ),
    "told_and_not_looked": _TOLD(
        "perdure.engine.duties",
        "if told or ((asks or not self.pace.told) and self.store.changed()):",
        "if (asks or not self.pace.told) and self.store.changed():",
    ),
    "inbox_read_only_when_told": _TOLD(
        "perdure.engine.intake",
        "if self._news or tick - self._polled >= self.pace.poll:",
        "if self._news or (tick - self._polled >= self.pace.poll and not self.pace.told):",
    ),
    "tasks_claimed_only_when_told": _TOLD(
        "perdure.engine.claims",
        "tick - self._claimed >= self._claim_every(tick))",
        "(tick - self._claimed >= self._claim_every(tick) and not self.pace.told))",
    ),
    "definition_not_told": _TOLD(_TELLING, "    s.DEFINITION_ACTIVATE: _DEFINITIONS,\n", ""),
    "deaf_and_as_patient_as_before": _TOLD(
        "perdure.engine.worker",
        "if not self.store.listening:",
        "if not (self.store.listening or self._duties.pace.told):",
    ),
}
