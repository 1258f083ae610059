"""A history as Durable Functions shows it: what answers something is merged with what it answers.

The events that both know have the fields of theirs. Those that only perdure has (an entity's answer, a
canceled task) are there under their own names, with what they have of the same fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from perdure.server.durabletask.bodies import error_text
from perdure.server.durabletask.parameters import compact

_TASKS = {"TaskCompleted", "TaskFailed"}
_CHILDREN = {"SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed"}
_MERGED = {"TaskScheduled", "SubOrchestrationInstanceCreated"}
_FIELDS = {
    "name": "Name",
    "operation": "Name",
    "reason": "Reason",
    "source": "InstanceId",
    "version": "Version",
}


def history_events(
    events: Iterable[Mapping[str, Any]], *, show_input: bool, show_output: bool
) -> list[dict[str, Any]]:
    """The list of ``historyEvents``, of all events of a generation as our documents."""
    events = list(events)
    by_seq = {event["seq"]: event for event in events}
    answered = {event["scheduled_seq"] for event in events if event["type"] in _TASKS | _CHILDREN}
    return [
        _shown(event, by_seq, show_input=show_input, show_output=show_output)
        for event in events
        if not (event["type"] in _MERGED and event["seq"] in answered)
    ]


def _shown(
    event: Mapping[str, Any], by_seq: Mapping[int, Mapping[str, Any]], *, show_input: bool, show_output: bool
) -> dict[str, Any]:
    kind = event["type"]
    shown: dict[str, Any] = {"EventType": kind, "Timestamp": event["at"]}
    asked: Mapping[str, Any] = by_seq.get(event.get("scheduled_seq", -1), {})
    given: Any = event.get("input")
    result: Any = event.get("result")
    match kind:
        case "ExecutionStarted":
            shown |= {
                "FunctionName": event["name"],
                "Correlation": None,
                "ScheduledStartTime": None,
                "Generation": event["generation"],
            }
        case (
            "TaskCompleted"
            | "TaskFailed"
            | "SubOrchestrationInstanceCompleted"
            | "SubOrchestrationInstanceFailed"
        ):
            shown |= {"FunctionName": asked.get("name"), "ScheduledTime": asked.get("at")}
            given = asked.get("input")
            if kind in _CHILDREN:
                shown["InstanceId"] = asked.get("instance")
            if "error" in event:
                shown |= _failure(event)
        case "TimerCreated":
            shown["FireAt"] = event["fire_at"]
        case "TimerFired":
            shown["FireAt"] = asked.get("fire_at")
        case "ExecutionTerminated":
            given = event["reason"]
        case "ExecutionCompleted":
            shown["OrchestrationStatus"] = event["status"]
            result = event["output"]
            if event["error"] is not None:
                shown["FailureDetails"] = _details(event["error"])
        case "ContinueAsNew":
            # What the next generation begins with.
            shown["Result"], given = given, None
        case _:
            shown |= {theirs: event[ours] for ours, theirs in _FIELDS.items() if event.get(ours)}
            shown |= _receiver(event)
    if show_input and given is not None:
        shown["Input"] = compact(given)
    if show_output and kind in {"TaskCompleted", "SubOrchestrationInstanceCompleted", "ExecutionCompleted"}:
        shown["Result"] = result
    return shown


def _receiver(event: Mapping[str, Any]) -> dict[str, Any]:
    """Who a message is for: entities have the addresses that they have in Durable Functions."""
    if event.get("instance"):
        return {"InstanceId": event["instance"]}
    if event.get("entity"):
        return {"InstanceId": f"@{event['entity']}"}
    return {}


def _failure(event: Mapping[str, Any]) -> dict[str, Any]:
    error = {"type": event["error"], "message": event["message"]}
    return {
        "Reason": event["message"] or event["error"],
        "Details": error_text(error),
        "FailureDetails": _details({**error, "retryable": event.get("retryable", True)}),
    }


def _details(error: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ErrorType": error["type"],
        "ErrorMessage": error["message"],
        "StackTrace": None,
        "InnerFailure": None,
        "IsNonRetriable": not error.get("retryable", True),
    }
