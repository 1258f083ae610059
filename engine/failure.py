"""An error of a workflow: what ``catch`` sees as ``error`` and a failed instance shows."""

from __future__ import annotations

from typing import Any

import msgspec

CANCELED = "perdure.Canceled"
CHILD = "perdure.SubWorkflowFailed"
COMPENSATION = "perdure.CompensationFailed"
ENTITY = "perdure.EntityOperationFailed"
EXISTS = "perdure.Exists"
EXPRESSION = "perdure.Expression"
LIMIT = "perdure.LimitExceeded"
PAYLOAD = "perdure.Payload"
POISON = "perdure.Poison"
SCHEMA = "perdure.Schema"
SECRET = "perdure.Secret"  # noqa: S105
TIMEOUT = "perdure.Timeout"
TOLERANCE = "perdure.ToleranceExceeded"


class Failure(msgspec.Struct, kw_only=True):
    """A typed error on its way out of a step.

    ``retryable`` and ``retry_after`` (microseconds) are the activity's word to the retry policy.
    """

    type: str
    message: str
    data: Any = None
    step: str | None = None
    path: str | None = None
    attempt: int = 1
    cause: Any = None
    compensation: Any = None
    activity: str | None = None
    retryable: bool = True
    retry_after: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The error object that expressions, clients and people see."""
        error = {
            "type": self.type,
            "message": self.message,
            "data": self.data,
            "step": self.step,
            "path": self.path,
            "attempt": self.attempt,
            "cause": self.cause,
            "compensation": self.compensation,
        }
        return error if self.activity is None else {**error, "activity": self.activity}

    @classmethod
    def from_json(cls, value: Any) -> Failure | None:
        """A kept error, to be raised again unchanged; None if the value is not one."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return None
        known = {name: value[name] for name in _FIELDS if name in value}
        known["message"] = str(value.get("message", value["type"]))
        if not isinstance(known.get("attempt", 1), int):
            del known["attempt"]
        if not _is_report(known.get("compensation")):
            del known["compensation"]
        return cls(**known)


_FIELDS = ("type", "data", "step", "path", "attempt", "cause", "compensation", "activity")


def _is_report(value: Any) -> bool:
    """Whether somebody's ``compensation`` looks like one of ours."""
    return value is None or (
        isinstance(value, list) and all(isinstance(each, dict) and "outcome" in each for each in value)
    )


def with_undone(failure: Failure, report: list[Any] | None) -> Failure:
    """The error with what was undone on its way added to what was before.

    It is not retried when something could not be undone: nobody knows what another try would meet.
    """
    if report is None:
        return failure
    whole = all(each["outcome"] == "undone" for each in report)
    return msgspec.structs.replace(
        failure,
        compensation=[*(failure.compensation or []), *report],
        retryable=failure.retryable and whole,
    )


def matches(names: tuple[str, ...], failure: Failure) -> bool:
    """Whether a list of error names has this one; ``*`` is every name but ``perdure.Canceled``."""
    return failure.type in names or ("*" in names and failure.type != CANCELED)
