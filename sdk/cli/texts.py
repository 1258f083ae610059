"""Instances, errors, times and durations in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def told_queues(queues: Sequence[str]) -> str:
    """The line of a banner with the named queues that are served; none without any."""
    return f"  queues      {', '.join(queues)}\n" if queues else ""


def ending(instance: dict[str, Any], place: str | None = None) -> str:
    """Why an instance did not complete: for a failure its type, message, step, place and attempts."""
    name, error = instance["id"], instance["error"]
    if error is None or instance["status"] != "Failed":
        reason = f": {instance['reason']}" if instance["reason"] else ""
        return "\n".join([f"{name} is {instance['status']}{reason}", *_undone(error or {})])
    return f"{name} failed: {error_text(error, place)}"


_WHOLE = "do"
"""The path of the whole workflow; no step has it."""


def error_text(error: dict[str, Any], place: str | None = None) -> str:
    """An error on one line, and where it was raised on the next."""
    kind, message = str(error["type"]), error["message"]
    lines = [kind if message in {"", None, kind} else f"{kind}: {message}"]
    step = error.get("step") or error.get("path")
    if step not in {None, _WHOLE}:
        attempt = error.get("attempt") or 1
        where = f" ({place})" if place else ""
        activity = f", activity {error['activity']}" if error.get("activity") else ""
        lines.append(f"  in step '{step}'{where}{activity}, attempt {attempt}")
        if error.get("path") and "[" in error["path"]:
            lines.append(f"  at {error['path']}")
    return "\n".join(lines + _undone(error))


def place_text(failed: dict[str, Any] | None) -> str | None:
    """``file:line:column`` of the step that an instance failed of, as its statistics have it."""
    return None if failed is None else f"{failed['file']}:{failed['line']}:{failed['column']}"


def called(name: str, path: str) -> str:
    """What people call the step of a name at a path: what undoes a step is called after it."""
    return f"undo {name}" if path.endswith("/compensate") else name


def _undone(error: dict[str, Any]) -> list[str]:
    """What sagas undid before an error, and what they could not."""
    found: dict[str, list[str]] = {"undone": [], "not undone": []}
    for each in error.get("compensation") or []:
        outcome = "undone" if each["outcome"] == "undone" else "not undone"
        found[outcome].append(str(each["step"] or each["path"]))
    return [f"  {outcome}: {', '.join(steps)}" for outcome, steps in found.items() if steps]


def waiting_text(waiting: dict[str, Any]) -> str:
    """What an instance waits for, on one line."""
    name = waiting["step"] or waiting["path"]
    what = {
        "task": f"activity {waiting['name']}",
        "timer": f"timer ({waiting['name']})",
        "event": f'event "{waiting["name"]}"',
        "start": "the time that it begins at",
        "place": f'place of concurrency key "{waiting["name"]}"',
    }.get(waiting["kind"], " ".join(filter(None, [waiting["kind"], waiting["name"]])))
    parts = [what if name is None else f"{name}: {what}"]
    if waiting["attempts"]:
        parts.append(f"attempt {waiting['attempt']} of {waiting['attempts']}")
    parts += [f"{word} {time_text(waiting[word])}" for word in ("since", "until") if waiting[word]]
    if waiting["left"] is not None:
        parts.append(f"{span_text(round(waiting['left'] * 1_000_000))} left")
    if waiting["file"] or waiting["line"]:
        parts.append(f"{waiting['file']}:{waiting['line']}:{waiting['column']}")
    if waiting["note"]:
        parts.append(waiting["note"])
    return ", ".join(parts)


def time_text(moment: str | None) -> str:
    """An RFC 3339 time to the second, for people."""
    if moment is None:
        return ""
    return moment.replace("T", " ").split(".")[0].removesuffix("Z") + "Z"


def span_text(microseconds: int) -> str:
    """A stretch of time: ``182 ms``, ``2.1 s``, ``3 m 05 s``, ``2 h 10 m``, ``3 d 04 h``."""
    seconds = max(microseconds, 0) / 1_000_000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for small, big, size in (("s", "m", 60), ("m", "h", 3600), ("h", "d", 86_400)):
        if seconds < size * (60 if big == "m" else 24) or big == "d":
            whole, rest = divmod(int(seconds), size)
            part = rest if small == "s" else rest // (size // (60 if big == "h" else 24))
            return f"{whole} {big} {part:02d} {small}"
    raise AssertionError("days are last")
