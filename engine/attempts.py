"""What goes into an attempt of an activity, and what its end means: arguments, results, errors.

Pure but for the look at secrets: the executor calls the function itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine.activities import Activity, ActivityError, Context, Pending, RetryAfter
from perdure.engine.errors import PerdureError
from perdure.engine.events import TaskCompleted, TaskFailed
from perdure.engine.failure import EXPRESSION, PAYLOAD, SCHEMA, SECRET
from perdure.engine.instance import slot_of
from perdure.engine.linked import LinkedProgram
from perdure.engine.payload import BadPayload, to_json
from perdure.engine.secrets import NOTHING, NoSecret, Vault
from perdure.engine.store.rows import OUTSIDE
from perdure.engine.tasks import HandedOver, Task, Work, row_of

MAX_MESSAGE = 8192
"""Characters of an error's message that are kept."""

Answer = TaskCompleted | TaskFailed | HandedOver

_OF_TYPES = (TypeError, AttributeError, KeyError)
"""What a function raises when its argument is something else than it takes it for."""

_log = logging.getLogger("perdure.activities")


class Attempt:
    """One call of an activity. ``programs`` finds the Program of a digest, for ``output`` of the step."""

    def __init__(
        self, task: Task, activity: Activity, context: Context, programs: Callable[[str], LinkedProgram]
    ) -> None:
        self.task = task
        self.activity = activity
        self.context = context
        self._programs = programs
        self._vault = NOTHING

    def arguments(self) -> dict[str, Any] | TaskFailed:
        """Keyword arguments for the function, secrets and all, or why there are none."""
        task, value = self.task, self.task.input
        self.context.begun = True
        try:
            wanted = self._programs(task.digest).secrets_of(task.path)
            if wanted:
                self._vault = Vault.of(wanted)
                value = self._vault.put_in(value, wanted)
            return self.activity.arguments(task.has_input, value, self.context)
        except NoSecret as error:
            return failed(task, SECRET, str(error), retryable=False)
        except msgspec.ValidationError as error:
            return self._failed(SCHEMA, str(error), retryable=False)
        except PerdureError as error:
            return failed(task, PAYLOAD, f"the step's Program cannot be read here: {error}")
        except Exception as error:  # noqa: BLE001
            # An annotation that means nothing when it is looked at, or that nothing can be read as.
            return self._failed(SCHEMA, f"{task.name}: {type(error).__name__}: {_text(error)}")

    def completed(self, result: Any) -> Answer:
        """The result after the step's ``output``, as JSON."""
        task = self.task
        try:
            output = self._programs(task.digest).output_of(task.path)
            value = to_json(result)
            if output is not None:
                value = to_json(output({"result": value}, None))
            return TaskCompleted(scheduled_seq=task.seq, result=self._vault.hide(value))
        except BadPayload as error:
            return self._failed(PAYLOAD, f"the result of {task.name}: {error}", retryable=False)
        except EvalError as error:
            place = "" if error.position is None else f"{error.position[0]}:{error.position[1]}: "
            return self._failed(EXPRESSION, f"output: {place}{error.message}", retryable=False)
        except Exception as error:  # noqa: BLE001
            # A traceback shows values, and one of them may be a secret.
            _log.error("the result of %s could not be taken", task.name, exc_info=self._vault is NOTHING)
            return self._failed(PAYLOAD, f"{type(error).__name__}: {error}")

    def raised(self, error: BaseException) -> Answer:
        """What an exception of user code means."""
        if isinstance(error, Pending):
            row = row_of(self.task, slot_of(self.task.instance), None, deliveries=1)
            row = msgspec.structs.replace(row, worker=OUTSIDE)
            return HandedOver(scheduled_seq=self.task.seq, row=row)
        kind, data, retryable, retry_after = type(error).__name__, None, True, None
        if isinstance(error, ActivityError):
            # Whatever somebody has put there: a history holds a text and a bool.
            kind, retryable = str(error.type or kind), bool(error.retryable)
            try:
                data = to_json(error.data)
            except BadPayload as problem:
                data = {"lost": str(problem)}
        if isinstance(error, RetryAfter):
            retry_after = _microseconds(error.seconds)
        message = _text(error)
        if isinstance(error, _OF_TYPES) and self.task.has_input:
            message += self.activity.misread(self.task.input)
        return self._failed(kind, message, data=data, retryable=retryable, retry_after=retry_after)

    def _failed(self, kind: str, message: str, *, data: Any = None, **fields: Any) -> TaskFailed:
        """A failure that tells no secret."""
        hide = self._vault.hide
        return failed(self.task, hide(kind), hide(message), data=hide(data), **fields)


def failed(task: Work, kind: str, message: str, **fields: Any) -> TaskFailed:
    """The failure of a task."""
    clean = message.encode("utf-8", "replace").decode()[:MAX_MESSAGE]
    return TaskFailed(scheduled_seq=task.seq, error=kind, message=clean, **fields)


def _microseconds(seconds: Any) -> int | None:
    """A time to wait; None for what is no number of seconds, or none that ever passes."""
    try:
        return max(round(seconds * 1_000_000), 0) if math.isfinite(seconds) else None
    except (TypeError, ValueError):
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001
        return "(the exception has no text)"
