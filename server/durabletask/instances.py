"""Instances: start, look, raise events, suspend, resume, terminate, rewind, restart, purge."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.client import Client
from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import ENDED, Status
from perdure.engine.telling import Raise
from perdure.server.api import Api, api_of
from perdure.server.durabletask.answers import BAD_ARGUMENT, WENT_WRONG, empty, refusal, value_answer
from perdure.server.durabletask.bodies import links, output, status_body
from perdure.server.durabletask.history import history_events
from perdure.server.durabletask.parameters import Parameters, body_value, is_json
from perdure.server.payloads import idempotency_key, path_text

START_RETRY_SECONDS = 10
STATUS_RETRY_SECONDS = 5
CONTINUATION = "x-ms-continuation-token"
"""The header of a list's next page."""
NO_JSON_TYPE = "Only application/json request content is supported"
NO_SUCH_INSTANCE = "InstanceId does not match a valid orchestration instance."
NOT_FAILED = "The rewind operation is only supported on failed orchestration instances."
NO_BEGINNING = "Please provide value for 'createdTimeFrom' parameter."


async def start(request: Request) -> Response:
    """202 with the links; with ``timeout`` and ``pollingInterval``, the output when it completed in time.

    An instance of the id that has ended is replaced; 409 for one that has not.
    """
    api, parameters = api_of(request), Parameters(request)
    version, key = parameters.text("version"), idempotency_key(request)
    name = path_text(request, "name") + (f"@{version}" if version else "")
    instance_id = path_text(request, "id") if "id" in request.path_params else None
    value = await body_value(request)
    if (problem := _impatient(parameters)) is not None:
        return problem
    try:
        instance = await api.call(
            api.client.start, name, value, id=instance_id, if_exists="replace_ended", request_key=key
        )
    except NotFound as error:
        return refusal(400, BAD_ARGUMENT, str(error))
    except Conflict as error:
        return await _in_use(api, instance_id, error)
    return await _started(request, api, instance["id"])


async def _in_use(api: Api, instance_id: str | None, error: Conflict) -> Response:
    text = str(error)
    if instance_id is not None and error.code == "conflict":
        with suppress(NotFound):
            status = (await api.call(api.client.instance, instance_id))["status"]
            text = f"An Orchestration instance with the status {status} already exists."
    return _conflict(text)


def _impatient(parameters: Parameters) -> Response | None:
    timeout, interval = parameters.number("timeout"), parameters.number("pollingInterval")
    if timeout is None or interval is None or interval <= timeout:
        return None
    return refusal(400, BAD_ARGUMENT, "Total timeout should be bigger than the polling interval.")


async def _started(request: Request, api: Api, instance_id: str) -> Response:
    """The answer about a new run, when it has ended or the wait that was asked for is over."""
    parameters = Parameters(request)
    as_500 = parameters.flag("returnInternalServerErrorOnFailure")
    timeout = parameters.number("timeout")
    if timeout is not None and parameters.number("pollingInterval") is not None:
        instance = await api.until_ended(request, instance_id, min(timeout, api.settings.wait_seconds))
        if instance["status"] == Status.COMPLETED:
            return value_answer(output(instance))
        if instance["status"] in ENDED:
            return _status(instance, status_body(instance, show_input=True), as_500=as_500)
    found = links(request, instance_id, fail_as_500=as_500)
    # Theirs has no link for a rewind here, as nothing has failed yet.
    body = {name: link for name, link in found.items() if name != "rewindPostUri"}
    headers = {"location": found["statusQueryGetUri"], "retry-after": str(START_RETRY_SECONDS)}
    return value_answer(body, 202, headers)


def _status(instance: dict[str, Any], body: dict[str, Any], *, as_500: bool) -> Response:
    return value_answer(body, 500 if as_500 and instance["status"] == Status.FAILED else 200)


async def show(request: Request) -> Response:
    """200 when it has ended, else 202 with where to ask again."""
    api, parameters, instance_id = api_of(request), Parameters(request), path_text(request, "id")
    show_input = parameters.flag("showInput", default=True)
    instance = await api.call(api.client.instance, instance_id)
    body = status_body(instance, show_input=show_input)
    if parameters.flag("showHistory"):
        show_output = parameters.flag("showHistoryOutput")
        events = await api.call(_history, api.client, instance_id)
        # Theirs is called the one, and both clients look for the other.
        body["historyEvents"] = body["history"] = history_events(
            events, show_input=show_input, show_output=show_output
        )
    if instance["status"] in ENDED:
        return _status(instance, body, as_500=parameters.flag("returnInternalServerErrorOnFailure"))
    headers = {"location": str(request.url), "retry-after": str(STATUS_RETRY_SECONDS)}
    return value_answer(body, 202, headers)


def _history(client: Client, instance_id: str) -> list[dict[str, Any]]:
    """All events of the present generation, with their large values in place."""
    events: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.history(instance_id, cursor=cursor, limit=MAX_LIMIT)
        for event in page["items"]:
            stored = event.get("stored") or {}
            events.append(event | {field: client.payload(instance_id, key) for field, key in stored.items()})
        cursor = page["next"]
        if cursor is None:
            return events


async def list_instances(request: Request) -> Response:
    """A page, newest first; the token of the next one is in a header, empty on the last."""
    api, parameters = api_of(request), Parameters(request)
    statuses = parameters.statuses()
    if statuses == []:
        return value_answer([], headers={CONTINUATION: ""})
    show_input = parameters.flag("showInput", default=True)

    def page() -> tuple[list[dict[str, Any]], str]:
        found = api.client.instances(
            statuses=[str(status) for status in statuses or ()],
            id_prefix=parameters.text("instanceIdPrefix") or "",
            created_from=parameters.time("createdTimeFrom"),
            created_to=parameters.time("createdTimeTo"),
            limit=parameters.page_size(),
            cursor=request.headers.get(CONTINUATION) or None,
        )
        bodies = []
        for each in found["items"]:
            try:
                instance = api.client.instance(each["id"])
            except NotFound:
                continue  # It was purged between the two looks.
            bodies.append(status_body(instance, show_input=show_input))
        return bodies, found["next"] or ""

    bodies, token = await api.call(page)
    return value_answer(bodies, headers={CONTINUATION: token})


async def raise_event(request: Request) -> Response:
    """202; kept until the workflow waits for it."""
    api, key = api_of(request), idempotency_key(request)
    instance_id, name = path_text(request, "id"), path_text(request, "event")
    instance = await api.instance(instance_id)
    if instance["status"] in ENDED:
        return empty(410)
    if not is_json(request):
        return refusal(400, NO_JSON_TYPE)
    value = await body_value(request)
    await api.raise_event(Raise(instance_id, name, value, key))
    return empty(202)


async def suspend(request: Request) -> Response:
    """202, also when it is suspended already."""
    return await _change(request, api_of(request).client.suspend)


async def resume(request: Request) -> Response:
    """202, also when it runs."""
    return await _change(request, api_of(request).client.resume)


async def terminate(request: Request) -> Response:
    """202; it ends at once, without cleanup."""
    return await _change(request, api_of(request).client.terminate)


async def _change(request: Request, verb: Callable[..., Any]) -> Response:
    api, key = api_of(request), idempotency_key(request)
    await api.call(verb, path_text(request, "id"), Parameters(request).text("reason"), request_key=key)
    return empty(202)


async def rewind(request: Request) -> Response:
    """202 for one that failed; 410 for one that ended otherwise, 409 for one that has not ended."""
    api, key, instance_id = api_of(request), idempotency_key(request), path_text(request, "id")
    instance = await api.call(api.client.instance, instance_id)
    if instance["status"] != Status.FAILED:
        return empty(410) if instance["status"] in ENDED else _conflict(NOT_FAILED)
    try:
        await api.call(api.client.rewind, instance_id, Parameters(request).text("reason"), request_key=key)
    except Conflict as error:
        return _conflict(str(error))
    return empty(202)


async def restart(request: Request) -> Response:
    """The same workflow with the same input: under a new id, or as this one's next generation."""
    api, key, parameters = api_of(request), idempotency_key(request), Parameters(request)
    if (problem := _impatient(parameters)) is not None:
        return problem
    new_id = parameters.flag("restartWithNewInstanceId", default=True)
    try:
        outcome = await api.call(api.client.restart, path_text(request, "id"), new_id=new_id, request_key=key)
    except NotFound:
        return refusal(400, NO_SUCH_INSTANCE)
    except Conflict as error:
        return _conflict(str(error))
    return await _started(request, api, outcome["id"])


async def purge(request: Request) -> Response:
    """200 with a count; 409 for one that has not ended."""
    api, instance_id = api_of(request), path_text(request, "id")
    await api.call(api.client.purge, instance_id)
    return value_answer({"instancesDeleted": 1})


async def purge_many(request: Request) -> Response:
    """All that have ended and match; 404 when there are none, which clients read as zero."""
    api, parameters = api_of(request), Parameters(request)
    begin = parameters.time("createdTimeFrom")
    if begin is None:
        return value_answer(NO_BEGINNING, 400)
    statuses = parameters.statuses()
    wanted = [str(each) for each in (sorted(ENDED) if statuses is None else statuses) if each in ENDED]
    if not wanted:
        return empty(404)

    def purge_all() -> int:
        deleted: int = 0
        cursor = None
        while True:
            done = api.client.purge_many(
                statuses=wanted,
                created_from=begin,
                created_to=parameters.time("createdTimeTo"),
                limit=MAX_LIMIT,
                cursor=cursor,
            )
            deleted, cursor = deleted + done["instances"], done["next"]
            if cursor is None:
                return deleted

    count = await api.call(purge_all)
    return value_answer({"instancesDeleted": count}) if count else empty(404)


def _conflict(text: str) -> Response:
    return refusal(409, WENT_WRONG, text, ours=True)
