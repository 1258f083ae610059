"""Wrong engines of which some are in the plan: each breaks what this engine could do wrong."""

from __future__ import annotations

from tests.sim.mutants.model import Change, Mutant, one

LIVE = 'if member is None or member.state != "live":\n                raise FenceLost'
_CONSUMED = 'if not self._delete(self._inbox, id_):\n                raise Refused(f"The consumed'
_FREED = "if task.worker == old:\n                self._put(self._tasks, key, _replace(task, worker=new))"
COMMIT = (
    "        try:\n            self.store.commit(batch)\n"
    "        except (FenceLost, OutcomeUnknown) as error:\n            self.owner.lost"
)

PRESENT = {
    "lock_given_to_two": one(
        "perdure.engine.entity_turn",
        "case LockRequested(holder=holder) if self.lock is None:",
        "case LockRequested(holder=holder):",
    ),
    "locks_kept_by_the_terminated": one(
        "perdure.engine.turning",
        "self.turn.outgoing += outgoing.unlocking(self.running.instance, machine.state.locks)",
        "pass",
    ),
    "rewind_draws_new_keys": one(
        "perdure.engine.rewinding",
        "        begun,\n        execution=",
        "        begun,\n        key_seed=keys.next_execution(instance.execution),\n        execution=",
    ),
    "rewind_sends_everything_again": one(
        "perdure.engine.outgoing",
        "    if not known:\n        return sent(",
        "    if not known or again:\n        return sent(",
    ),
    "no_membership_check": one(
        "perdure.engine.store.memory_tables",
        LIVE,
        LIVE.replace(' or member.state != "live"', ""),
        "no membership check",
    ),
    "dead_worker_revived_by_its_renewal": one(
        "perdure.engine.store.memory_tables",
        LIVE,
        "if lease is not None and member is not None:\n                "
        f'member = _replace(member, state="live")\n            {LIVE}',
        "dead worker id accepted again, or revived by its renewal",
    ),
    "history_overwritten": one(
        "perdure.engine.store.memory_turns",
        "self._insert(self._generation(row.instance, row.generation), row.first_seq, without)",
        "self._put(self._generation(row.instance, row.generation), row.first_seq, without)",
        "history insert-or-ignore",
    ),
    "consumed_message_stays": one(
        "perdure.engine.store.memory_turns",
        _CONSUMED,
        _CONSUMED.replace("not self._delete(self._inbox, id_)", "id_ not in self._inbox"),
    ),
    "slot_taken_from_the_living": Mutant(
        (
            Change(
                "perdure.engine.store.memory_members",
                "self._slots if set(self._slots.values()) <= {None, worker} else ()",
                "self._slots",
            ),
            Change("perdure.engine.store.memory_members", "if self._slots[slot] is None:", "if True:"),
        )
    ),
    "open_task_not_recovered_at_takeover": one(
        "perdure.engine.loading",
        "self._rest.adopt.append(row)",
        "pass",
        "open task not recovered at takeover",
    ),
    "task_of_the_dead_not_freed": one(
        "perdure.engine.store.memory_members",
        _FREED,
        _FREED.replace("== old:", "== old and new is not None:"),
    ),
    "timer_fires_a_second_early": one(
        "perdure.engine.timers",
        "while self._heap and self._heap[0][0] <= now:",
        "while self._heap and self._heap[0][0] <= now + 1_000_000:",
        "timer fires at >= due minus 1 s",
    ),
    "canceled_timer_still_wakes": one(
        "perdure.engine.turning",
        "turn.timers_closed.append((execution, closed))\n            case ContinueAsNew",
        "pass\n            case ContinueAsNew",
        "canceled timer still wakes",
    ),
    "second_result_is_recorded": one(
        "perdure.engine.turn",
        'return None if self.running.machine.expects(each.event) else "superseded"',
        "return None",
        "second result of a closed task recorded",
    ),
    "answer_before_the_commit": one(
        "perdure.engine.duties",
        COMMIT,
        "        for message_id in sealed.answers:\n            self._asks[message_id].answer()\n" + COMMIT,
    ),
    "activities_started_before_the_commit": one(
        "perdure.engine.duties",
        COMMIT,
        "        self._activities.start(sealed.activities)\n        sealed.activities.clear()\n" + COMMIT,
    ),
    "blind_retry_of_an_unknown_commit": one(
        "perdure.engine.duties",
        COMMIT,
        COMMIT.replace(
            "        except (",
            "        except OutcomeUnknown:\n            try:\n                self.store.commit(batch)\n"
            "            except StoreError:\n                pass\n        except (",
        ),
        "retry blindly on unknown commit",
    ),
    "results_dropped_when_joining_again": one(
        "perdure.engine.joining",
        "self._feed_again(results)\n        self._ask_again(list",
        "self._ask_again(list",
    ),
    "cancel_undoes_nothing": one(
        "perdure.engine.sagas",
        "    if saga.undos:\n        _undo_next(machine, fiber, saga)\n        return True",
        '    if saga.undos and completion.failure.type != "perdure.Canceled":\n'
        "        _undo_next(machine, fiber, saga)\n        return True",
    ),
    "undo_of_the_first_in_place_of_the_last": one(
        "perdure.engine.sagas", "undo = saga.undos[-1]", "undo = saga.undos[0]"
    ),
    "undo_is_canceled": one("perdure.engine.state", 'return self.phase == "undo"', "return False"),
    "request_key_not_written": one(
        "perdure.engine.store.memory_turns",
        "for request in batch.requests:\n                self._remember(",
        "for request in ():\n                self._remember(",
    ),
    "continue_as_new_drops_the_events": one(
        "perdure.engine.turning",
        "carried=tuple(machine.state.buffer),",
        "carried=(),",
        "continue-as-new drops the inbox",
    ),
    "terminal_status_overwritten": Mutant(
        (
            Change(
                "perdure.engine.turn",
                "if instance.status.ended:\n            # A next generation of ours",
                "if False:\n            # A next generation of ours",
            ),
            Change(
                "perdure.engine.machine",
                "return not state.ended and not (state.begun and is_beginning(event))",
                "return not (state.begun and is_beginning(event))",
            ),
            Change(
                "perdure.engine.turning",
                "assert status in LEGAL[instance.status], "
                'f"{instance.status} is not followed by {status}"\n        self.running.instance = ',
                "self.running.instance = ",
            ),
        ),
        "terminal status overwritten by a late event",
    ),
    "lost_batch_not_taken_back": one(
        "perdure.engine.losses",
        "                self._take_back(turn)\n",
        "                pass\n",
    ),
}
