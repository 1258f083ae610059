"""Wrong engines that run as servers: each must be found by a few kills or stops."""

from __future__ import annotations

from tests.sim.mutants.further import PRESENT
from tests.sim.mutants.model import both, one

_PAUSE = "__import__('time').sleep(0.01)"
"""Between a commit and its answer, so that a kill comes there: chance alone misses so short a moment."""
MUTANTS = {
    "answers_before_the_commit": one(
        "perdure.engine.worker",
        "self._duties.asking.append(ask)\n",
        f"ask.answer()\n                    {_PAUSE}\n                    self._duties.asking.append(ask)\n",
    ),
    "hangs_up_when_told_to_stop": one(
        "perdure.server.serve",
        "self._api.waits.close()\n",
        "[each.transport.abort() for each in self.server_state.connections]\n",
    ),
    "forgets_what_was_asked": both(
        one(
            "perdure.engine.store.commit",
            "write_requests(tx, sorted(batch.requests, key=_by_request))",
            "write_requests(tx, ())",
        ),
        one(
            "perdure.engine.duties",
            "        new = {\n",
            f"        {_PAUSE}\n        new = {{\n",
        ),
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
