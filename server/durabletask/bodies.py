"""Instances as Durable Functions shows them, and the links that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from perdure.server.durabletask.parameters import PUBLIC, Parameters

_VERBS = (
    ("sendEventPostUri", "/raiseEvent/{eventName}", ""),
    ("terminatePostUri", "/terminate", "reason={text}&"),
    ("rewindPostUri", "/rewind", "reason={text}&"),
    ("purgeHistoryDeleteUri", "", ""),
    ("restartPostUri", "/restart", ""),
    ("suspendPostUri", "/suspend", "reason={text}&"),
    ("resumePostUri", "/resume", "reason={text}&"),
)


def origin(request: Request) -> str:
    """Scheme and host of the request."""
    return f"{request.url.scheme}://{request.url.netloc}"


def links(request: Request, instance_id: str, *, fail_as_500: bool = False) -> dict[str, str]:
    """Where an instance is managed, always under the public prefix; ``{eventName}`` and ``{text}`` stay."""
    query = urlencode(Parameters(request).links())
    base = f"{origin(request)}{PUBLIC}/instances/{quote(instance_id, safe='')}"
    found = {"id": instance_id, "statusQueryGetUri": f"{base}?{query}"}
    if fail_as_500:
        found["statusQueryGetUri"] += "&returnInternalServerErrorOnFailure=true"
    return found | {name: f"{base}{path}?{first}{query}" for name, path, first in _VERBS}


def status_body(instance: Mapping[str, Any], *, show_input: bool) -> dict[str, Any]:
    """An instance's document as theirs. All keys are there: the JavaScript client throws when one is not."""
    return {
        "name": instance["workflow"],
        "instanceId": instance["id"],
        "runtimeStatus": instance["status"],
        "input": instance["input"] if show_input else None,
        "customStatus": instance["custom_status"],
        "output": output(instance),
        "createdTime": whole_seconds(instance["created_at"]),
        "lastUpdatedTime": whole_seconds(instance["updated_at"]),
    }


def output(instance: Mapping[str, Any]) -> Any:
    """What came of an instance: of a failed one the error's text, of one that was ended the reason."""
    if instance["status"] == "Completed":
        return instance["output"]
    if instance["status"] in {"Failed", "Canceled"} and instance["error"] is not None:
        return error_text(instance["error"])
    return instance["reason"] if instance["status"] in {"Terminated", "Canceled"} else None


def error_text(error: Mapping[str, Any]) -> str:
    """An error in one line."""
    kind, message = error["type"], error["message"]
    return kind if message in {"", kind} else f"{kind}: {message}"


def whole_seconds(text: str) -> str:
    """An RFC 3339 time without its fraction."""
    return text[:19] + "Z"
