"""Wrong engines, each by one line, that a simulation worth its name must find.

``imported(name)`` makes the modules of a mutant come from changed source. It must be called before anything
of perdure is imported, so each mutant has a process of its own: ``python -m tests.sim --mutant NAME``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` in a module; it must stand there once."""

    module: str
    old: str
    new: str


_LIVE = 'if member is None or member.state != "live":\n                raise FenceLost'
_CONSUMED = 'if not self._delete(self._inbox, id_):\n                raise Refused(f"The consumed'
_FREED = "if task.worker == old:\n                self._put(self._tasks, key, _replace(task, worker=new))"
_COMMIT = (
    "        try:\n            self.store.commit(batch)\n"
    "        except (FenceLost, OutcomeUnknown) as error:\n            self.owner.lost"
)

MUTANTS = {
    "lock_given_to_two": Mutant(
        "perdure.engine.entity_turn",
        "case LockRequested(holder=holder) if self.lock is None:",
        "case LockRequested(holder=holder):",
    ),
    "locks_kept_by_the_terminated": Mutant(
        "perdure.engine.turning",
        "self.turn.outgoing += outgoing.unlocking(self.running.instance, machine.state.locks)",
        "pass",
    ),
    "rewind_draws_new_keys": Mutant(
        "perdure.engine.rewinding",
        "        begun,\n        execution=",
        "        begun,\n        key_seed=keys.next_execution(instance.execution),\n        execution=",
    ),
    "rewind_sends_everything_again": Mutant(
        "perdure.engine.outgoing",
        "    if not known:\n        return sent(",
        "    if not known or again:\n        return sent(",
    ),
    "no_membership_check": Mutant(
        "perdure.engine.store.memory_tables",
        _LIVE,
        _LIVE.replace(' or member.state != "live"', ""),
    ),
    "dead_worker_revived_by_its_renewal": Mutant(
        "perdure.engine.store.memory_tables",
        _LIVE,
        "if lease is not None and member is not None:\n                "
        f'member = _replace(member, state="live")\n            {_LIVE}',
    ),
    "history_overwritten": Mutant(
        "perdure.engine.store.memory_turns",
        "self._insert(self._generation(row.instance, row.generation), row.first_seq, without)",
        "self._put(self._generation(row.instance, row.generation), row.first_seq, without)",
    ),
    "consumed_message_stays": Mutant(
        "perdure.engine.store.memory_turns",
        _CONSUMED,
        _CONSUMED.replace("not self._delete(self._inbox, id_)", "id_ not in self._inbox"),
    ),
    "slot_taken_from_the_living": Mutant(
        "perdure.engine.store.memory_members",
        "if set(self._slots.values()) <= {None, worker}:",
        "if True:",
    ),
    "open_task_not_recovered_at_takeover": Mutant(
        "perdure.engine.loading",
        "self._rest.adopt.append(row_of(task, instance.slot, queue, event, deliveries=1))",
        "pass",
    ),
    "task_of_the_dead_not_freed": Mutant(
        "perdure.engine.store.memory_members",
        _FREED,
        _FREED.replace("== old:", "== old and new is not None:"),
    ),
    "timer_fires_a_second_early": Mutant(
        "perdure.engine.timers",
        "while self._heap and self._heap[0][0] <= now:",
        "while self._heap and self._heap[0][0] <= now + 1_000_000:",
    ),
    "canceled_timer_still_wakes": Mutant(
        "perdure.engine.turning",
        "turn.timers_closed.append((execution, closed))\n            case ExecutionCompleted",
        "pass\n            case ExecutionCompleted",
    ),
    "second_result_is_recorded": Mutant(
        "perdure.engine.turn",
        'return None if self.running.machine.expects(each.event) else "superseded"',
        "return None",
    ),
    "answer_before_the_commit": Mutant(
        "perdure.engine.duties",
        _COMMIT,
        "        for message_id in sealed.answers:\n            self._asks[message_id].answer()\n" + _COMMIT,
    ),
    "activities_started_before_the_commit": Mutant(
        "perdure.engine.duties",
        _COMMIT,
        "        self._activities.start(sealed.activities)\n        sealed.activities.clear()\n" + _COMMIT,
    ),
    "blind_retry_of_an_unknown_commit": Mutant(
        "perdure.engine.duties",
        _COMMIT,
        _COMMIT.replace(
            "        except (",
            "        except OutcomeUnknown:\n            try:\n                self.store.commit(batch)\n"
            "            except StoreError:\n                pass\n        except (",
        ),
    ),
    "results_dropped_when_joining_again": Mutant(
        "perdure.engine.joining",
        "            self.finished.append(Finished(instance_id, each.execution, each.event))\n        self.",
        "            pass\n        self.",
    ),
    "cancel_undoes_nothing": Mutant(
        "perdure.engine.sagas",
        "    if saga.undos:\n        _undo_next(machine, fiber, saga)\n        return True",
        '    if saga.undos and completion.failure.type != "perdure.Canceled":\n'
        "        _undo_next(machine, fiber, saga)\n        return True",
    ),
    "undo_of_the_first_in_place_of_the_last": Mutant(
        "perdure.engine.sagas", "undo = saga.undos[-1]", "undo = saga.undos[0]"
    ),
    "undo_is_canceled": Mutant("perdure.engine.state", 'return self.phase == "undo"', "return False"),
    "request_key_not_written": Mutant(
        "perdure.engine.store.memory_turns",
        "for request in batch.requests:\n                self._remember(",
        "for request in ():\n                self._remember(",
    ),
    "continue_as_new_drops_the_events": Mutant(
        "perdure.engine.turning",
        "carried=tuple(machine.state.buffer),",
        "carried=(),",
    ),
    "terminal_status_overwritten": Mutant(
        "perdure.engine.turn",
        "if instance.status.ended:\n            # A next generation of ours that never began is no loss.",
        "if False:\n            # A next generation of ours that never began is no loss.",
    ),
    "lost_batch_not_taken_back": Mutant(
        "perdure.engine.losses",
        "                self._take_back(turn)\n",
        "                pass\n",
    ),
}


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from changed source, and keeps no compiled file of it."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text("utf-8")
        count = text.count(self._mutant.old)
        if count != 1:
            raise ImportError(f"{fullname} has the text to be changed {count} times, not once")
        return compile(text.replace(self._mutant.old, self._mutant.new), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._looking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutant.module or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking = False
        assert spec is not None, fullname
        assert spec.origin is not None, fullname
        loader = _Loader(fullname, spec.origin, self._mutant)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def imported(name: str) -> None:
    """From now on the mutant's module is imported with its change."""
    import_changed(MUTANTS[name])


def import_changed(mutant: Mutant) -> None:
    """The same for a mutant of another table."""
    assert mutant.module not in sys.modules, f"{mutant.module} is imported already"
    sys.meta_path.insert(0, _Finder(mutant))
