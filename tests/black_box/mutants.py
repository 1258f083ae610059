"""Wrong engines that run as servers: each must be found by a few kills or stops."""

from __future__ import annotations

from tests.sim.mutants.further import PRESENT
from tests.sim.mutants.model import one

MUTANTS = {
    "answers_before_the_commit": one(
        "perdure.engine.worker",
        "self._duties.asking.append(ask)\n",
        "self._duties.asking.append(ask)\n                    ask.answer()\n",
    ),
    "hangs_up_when_told_to_stop": one(
        "perdure.server.serve",
        "self._api.waits.close()\n",
        "[each.transport.abort() for each in self.server_state.connections]\n",
    ),
    "forgets_what_was_asked": one(
        "perdure.engine.store.commit",
        "write_requests(tx, sorted(batch.requests, key=_by_request))",
        "write_requests(tx, ())",
    ),
    "unknown_commit_taken_for_done": PRESENT["blind_retry_of_an_unknown_commit"],
    "another_key_each_time": one(
        "perdure.engine.executor",
        "task.path, task.key, task.attempt",
        "task.path, f'{task.key}/{id(self)}', task.attempt",
    ),
    "no_membership_check": one(
        "perdure.engine.store.statements",
        "FENCE = select(_STORED_TIME).where(*_LIVE)",
        "FENCE = select(_STORED_TIME).where(_LIVE[0])",
    ),
}
