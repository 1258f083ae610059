"""Wrong engines that need several owners at once: slots given away, and work for those of others.

A slot given without rows for what runs, its results forgotten, its messages remembered: chance seldom shows
these, and ``tests/engine/test_shared_slots.py`` does at once.
"""

from __future__ import annotations

from tests.sim.mutants.model import one

SHARING = {
    "slot_given_undrained": one(
        "perdure.engine.joining",
        "results, unanswered = self.owner.let_go(slots)",
        "results, unanswered = [], []",
        "release slot undrained",
    ),
    "timers_of_a_given_slot_remembered": one(
        "perdure.engine.losses",
        "        self.timers.let_go(slots)\n",
        "",
    ),
    "result_heard_by_who_does_not_own": one(
        "perdure.engine.intake",
        "            if self.owns(each.instance):\n                self.owner.result(",
        "            if self.slots:\n                self.owner.result(",
    ),
    "message_heard_by_who_does_not_own": one(
        "perdure.engine.intake",
        " and each.slot in mine\n",
        "\n",
    ),
    "inbox_read_late_after_a_take": one(
        "perdure.engine.joining",
        "self._news = self._tasks_news = self._types_news = True",
        "self._tasks_news = self._types_news = True",
        guard="every half second the inbox is read without any flag",
    ),
}
