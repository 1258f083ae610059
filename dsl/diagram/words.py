"""The words of a picture: values, bounds and policies as short texts, empty for what was not said."""

from __future__ import annotations

import json

from perdure.dsl import model
from perdure.dsl.duration import format_duration
from perdure.dsl.expr.ast import Const, Embedded, ListValue, MapValue, Text, Value
from perdure.dsl.expr.show import show


def brief(value: Value) -> str:
    """A value without the ``${ }`` around it."""
    match value:
        case Embedded(expr=expr):
            return show(expr)
        case Const(value=str(text)):
            return text if text.strip() else json.dumps(text)
        case Const(value=constant):
            return json.dumps(constant, ensure_ascii=False)
        case Text(parts=parts):
            return "".join(part if isinstance(part, str) else f"${{ {show(part.expr)} }}" for part in parts)
        case ListValue(items=items):
            return f"[{', '.join(map(brief, items))}]"
        case MapValue(entries=entries):
            return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in entries) + "}"


def target(entity: model.EntityTarget) -> str:
    """``Type@key``."""
    return f"{entity.type}@{brief(entity.key)}"


def clause(catch: model.Catch) -> str:
    """``catch A, B when ...``."""
    when = "" if catch.when is None else f" when {brief(catch.when)}"
    return f"catch {', '.join(catch.errors)}{when}"


def bounds(step: model.Bounded) -> list[str]:
    """Retry, timeout and deadline of a step."""
    retry = "" if step.retry is None else f"retry ×{amount(step.retry.attempts)}"
    deadline = "" if step.deadline is None else f"deadline {lasting(step.deadline)}"
    return [retry, time_limit(step.timeout), deadline]


def time_limit(timeout: model.Duration | None) -> str:
    """``timeout 30s``."""
    return "" if timeout is None else f"timeout {lasting(timeout)}"


def lasting(duration: model.Duration | None) -> str:
    """``30s``; without a duration it lasts for ever."""
    if duration is None:
        return "for ever"
    return format_duration(duration) if isinstance(duration, int) else brief(duration)


def amount(count: model.Count) -> str:
    """A count, or the expression for it."""
    return str(count) if isinstance(count, int) else brief(count)


def said(word: str, what: Value | str | int | None) -> str:
    """A word and what is said with it."""
    if what is None:
        return ""
    return f"{word} {what if isinstance(what, str | int) else brief(what)}"


def at_once(limit: model.KeyLimit | None) -> str:
    """``5 at once for KEY``."""
    return "" if limit is None else f"{amount(limit.limit)} at once for {brief(limit.key)}"


def tolerance(policy: str | model.Tolerate) -> str:
    """How many failures a ``fan_out`` bears."""
    match policy:
        case model.Tolerate(count=int(count)):
            return f"tolerate {count}"
        case model.Tolerate(share=share):
            return f"tolerate {(share or 0) * 100:g}%"
        case "collect":
            return "collect"
        case _:
            return ""


def undo(compensate: model.Compensate | None) -> str:
    """``undo CancelFlight``: what a compensation does."""
    match compensate:
        case None:
            return ""
        case model.Compensate(action=model.Call(activity=name)):
            what = name
        case model.Compensate(action=model.CallWorkflow(workflow=name)):
            what = name
        case model.Compensate(action=model.CallEntity(entity=entity, operation=operation)):
            what = f"{target(entity)} {operation}"
        case _:
            raise AssertionError("an undo is one of three calls")
    return f"undo {what}" + (" even if unsure" if compensate.on == "attempted" else "")
