"""Wrong engines that the points must find: some of the simulation's, and some in SQL, which it never runs."""

from __future__ import annotations

from tests.sim import mutants
from tests.sim.mutants.model import one

SQL = {
    "torn_transaction_kept": one(
        "perdure.engine.store.sqlite",
        'self._writer.execute("ROLLBACK")',
        'self._writer.execute("COMMIT")',
    ),
    "tasks_of_the_dead_not_freed_in_sql": one(
        "perdure.engine.store.sql",
        "            tx.run(s.SLOTS_CRASHED, the_owner=victim)\n"
        "            tx.run(s.TASKS_FREE, the_worker=victim)",
        "            tx.run(s.SLOTS_CRASHED, the_owner=victim)",
    ),
    "message_sent_in_a_transaction_of_its_own": one(
        "perdure.engine.store.commit",
        "    tx.structs(s.INBOX_INSERT, batch.messages)\n",
        "    tx._connection.execute('COMMIT')\n    tx._connection.execute('BEGIN IMMEDIATE')\n"
        "    tx.structs(s.INBOX_INSERT, batch.messages)\n",
    ),
}
NAMES = frozenset([*SQL, *mutants.MUTANTS])


def imported(name: str) -> None:
    """From now on the mutant's module is imported with its change."""
    mutants.ALL.update(SQL)
    mutants.imported(name)
