"""Instances: start, look, wait, speak to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from perdure.engine.access import Role
from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.errors import PerdureError
from perdure.engine.filters import ORDERS
from perdure.engine.instance import ENDED
from perdure.engine.starts import Start, check_form
from perdure.engine.telling import Raise
from perdure.server import bodies, documents
from perdure.server.access import Endpoint
from perdure.server.answers import HEADERS, answer, encode_json
from perdure.server.api import PREFIX, Api, api_of
from perdure.server.operation import JSON, Answer, Operation, Parameter, json_answer, json_body, route
from perdure.server.parameters import (
    CURSOR,
    EVENT,
    FLAG,
    INSTANCE,
    NAME,
    PAYLOAD,
    STATUS,
    TAG,
    TO_FIRST_INSTANCE,
    TO_INSTANCE,
    WAIT,
    WORKFLOW,
    Q,
    limit,
    piece,
)
from perdure.server.payloads import (
    Query,
    fields_of,
    idempotency_key,
    one_of,
    path_text,
    read_fields,
    read_json,
    read_seconds,
    read_tags,
)
from perdure.server.problems import Problem, problem_row, status_of

LIMIT = 50
HISTORY_LIMIT = 200
LINES = "application/jsonl"
MAX_GENERATION = 999_999_999

_TAG = "Instances"
_LOCATION = {"location": "The path of the instance."}
_UNKNOWN = {404: "there is no such instance"}
_OVER = {409: "another request had this Idempotency-Key", 410: "it has ended"}
_NAMES = [name for name in documents.Instance.__struct_fields__ if name != "history"]
_HISTORY = Parameter(name="history", text="With the first page of its history.", schema=FLAG)
_GENERATION = Parameter(
    name="generation",
    text="Of this generation instead of the present one.",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_GENERATION},
)
_FIELDS = Parameter(
    name="fields",
    text="Only these fields, with commas between them.",
    schema={"type": "string", "pattern": "^(?:{0})(?:,(?:{0}))*$".format("|".join(_NAMES))},
)
_TYPE = Parameter(name="type", text="Of this type, as `TaskFailed`; may stand several times.", several=True)
_STEP = Parameter(name="step", text="Of this step, by its name or its path.")
_FAILED = Parameter(name="failed", text="Those that tell of a failure.", schema=FLAG)
_CHUNKS = Parameter(name="chunks", text="With chunks of a `fan_out`.", schema=FLAG)
_SORT = Parameter(
    name="sort",
    text="The order; `created:desc` when nothing is said.",
    schema={"type": "string", "enum": [f"{name}{way}" for name in ORDERS for way in ("", ":asc", ":desc")]},
)


def _changes(path: str) -> Callable[[Endpoint], Operation]:
    """A route that lets an instance go on or end."""
    return route(
        "POST",
        path,
        Role.OPERATOR,
        tag=_TAG,
        pieces=[INSTANCE],
        body=json_body(bodies.Why, required=False),
        answers={
            202: json_answer("The change is on its way.", documents.Changed),
            200: json_answer("There is nothing to change.", documents.Changed),
        },
        problems={**_UNKNOWN, **_OVER},
        keyed=True,
    )


@route(
    "POST",
    "/instances",
    Role.OPERATOR,
    tag=_TAG,
    query=[WAIT],
    body=json_body(bodies.Start),
    answers={
        201: json_answer("It is started.", documents.Instance, _LOCATION, TO_INSTANCE),
        200: json_answer("It ended while it was waited for.", documents.Instance, _LOCATION),
        202: json_answer("It has not ended yet.", documents.Instance, _LOCATION),
    },
    problems={
        404: "no such workflow",
        409: "an id in use, or a retired version",
        410: "what is to get the event has ended",
    },
    keyed=True,
)
async def start(request: Request) -> Response:
    """Start an instance; with ``wait``, 200 when it ended in that time, else 202.

    What ended of an error with a status of its own has that status.
    """
    query = Query(request)
    api = api_of(request)
    seconds = query.seconds("wait", api.settings.wait_seconds)
    key = idempotency_key(request)
    start = _read_start(await read_json(request, api.settings.body_bytes), "body")
    instance = await api.start(start, key)
    location = {"location": f"{PREFIX}/instances/{quote(instance['id'], safe='')}"}
    if seconds is None:
        return answer(instance, 201, location)
    instance = await api.until_ended(request, instance["id"], seconds)
    if instance["status"] not in ENDED:
        return answer(instance, 202, location)
    status = await api.call(api.client.error_status, instance)
    return answer(instance, 200 if status is None else status, location)


@route(
    "POST",
    "/instances:batch",
    Role.OPERATOR,
    tag=_TAG,
    body=json_body(Annotated[list[bodies.Start], msgspec.Meta(min_length=1, max_length=MAX_LIMIT)]),
    answers={201: json_answer("What became of each.", documents.StartedMany, leads_to=TO_FIRST_INSTANCE)},
    problems={
        409: "another list had this Idempotency-Key",
        422: "the body is no list of starts, or the one at `index`, from 0, is none; nothing is started",
    },
    keyed=True,
)
async def start_batch(request: Request) -> Response:
    """Start up to 1,000 instances; 201 with the id, or the problem, of each in its place."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    rows = await read_json(request, api.settings.batch_bytes)
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_LIMIT:
        raise Problem(422, "invalid_body", f"The body must be a list of 1 to {MAX_LIMIT} starts.")
    starts = [_read_start_of(rows, index) for index in range(len(rows))]
    found = await api.call(api.client.start_many, starts, request_key=key)
    items = [
        {"id": each} if isinstance(each, str) else {"id": start.id, "problem": problem_row(each)}
        for start, each in zip(starts, found, strict=True)
    ]
    return answer({"items": items, "next": None}, 201)


def _read_start_of(rows: list[Any], index: int) -> Start:
    """One start of a batch. Raises ``Problem`` with its ``index``, so that nobody has to look for it."""
    try:
        return _read_start(rows[index], "start")
    except PerdureError as error:
        problem = Problem(status_of(error), error.code, str(error), hint=error.hint)
    except Problem as error:
        problem = error
    problem.detail = f"the start at index {index}: {problem.detail}"
    problem.members = {"index": index}
    raise problem


def _read_start(row: Any, what: str) -> Start:
    """One start. What can be none is refused before anybody looks for its workflow."""
    body = fields_of(row, bodies.Start, what=what)
    start = Start(
        body.workflow,
        body.input,
        body.id,
        body.tags,
        body.if_exists,
        body.start_at,
        None if body.delay is None else read_seconds("delay", body.delay),
        None if body.event is None else body.event.name,
        None if body.event is None else body.event.payload,
    )
    check_form(start)
    return start


@route(
    "GET",
    "/instances",
    Role.VIEWER,
    tag=_TAG,
    query=[Q, STATUS, WORKFLOW, TAG, _SORT, _CHUNKS, limit(LIMIT), CURSOR],
    answers={200: json_answer("A page.", documents.Instances)},
)
async def list_instances(request: Request) -> Response:
    """A page of instances, newest first, without their payloads."""
    query = Query(request)
    api = api_of(request)
    page = await api.call(
        api.client.instances,
        statuses=query.all("status"),
        name=query.text("name"),
        tags=read_tags(query),
        query=query.text("q"),
        sort=query.text("sort"),
        chunks=query.flag("chunks"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(page)


@route(
    "GET",
    "/instances/{id}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE],
    query=[WAIT, _HISTORY, _FIELDS],
    answers={
        200: json_answer(
            "The instance, or those fields of it.", (documents.Instance, documents.SomeOfInstance)
        )
    },
    problems=_UNKNOWN,
)
async def show(request: Request) -> Response:
    """One instance; with ``wait``, when it has ended or that time has passed; with the first history page."""
    query = Query(request)
    api, instance_id = api_of(request), path_text(request, "id")
    seconds = query.seconds("wait", api.settings.wait_seconds)
    with_history, fields = query.flag("history"), _fields(query)
    if seconds is None:
        instance = await api.instance(instance_id)
    else:
        instance = await api.until_ended(request, instance_id, seconds)
    if with_history:
        page = await api.call(api.client.history, instance_id, limit=HISTORY_LIMIT)
        instance = {**instance, "history": page}
    return answer(instance if fields is None else {name: instance[name] for name in fields})


def _fields(query: Query) -> list[str] | None:
    """Which fields of an instance are asked for; None for all of them."""
    text = query.text("fields")
    return None if text is None else [one_of("fields", name, _NAMES) for name in text.split(",")]


@route(
    "GET",
    "/instances/{id}/history",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE],
    query=[_GENERATION, _TYPE, _STEP, _FAILED, limit(HISTORY_LIMIT), CURSOR],
    answers={
        200: Answer(
            text="A page, which ends with a turn; as lines, everything from there on.",
            content={JSON: documents.History, LINES: {"type": "string"}},
        )
    },
    problems={404: "no such instance, or no such generation of it"},
)
async def history(request: Request) -> Response:
    """A page of an instance's history, oldest first; of its present generation, or of an earlier one."""
    query = Query(request)
    api = api_of(request)
    generation = query.count("generation", 0, 1, MAX_GENERATION) or None
    read = partial(
        api.client.history,
        path_text(request, "id"),
        generation=generation,
        types=query.all("type"),
        step=query.text("step"),
        failed=query.flag("failed"),
        limit=query.count("limit", HISTORY_LIMIT, 1, MAX_LIMIT),
    )
    page = await api.call(read, cursor=query.text("cursor"))
    if LINES not in request.headers.get("accept", ""):
        return answer(page)
    return StreamingResponse(_lines(api, read, page), 200, HEADERS, LINES)


async def _lines(
    api: Api, read: Callable[..., dict[str, Any]], page: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    """Every event from this page on, one a line."""
    yield b"".join(map(encode_json, page["items"]))
    while page["next"] is not None:
        page = await api.call(read, cursor=page["next"])
        yield b"".join(map(encode_json, page["items"]))


@route(
    "GET",
    "/instances/{id}/state",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE],
    answers={200: json_answer("By what is committed.", documents.State)},
    problems=_UNKNOWN,
)
async def state(request: Request) -> Response:
    """Where an instance stands: its fibers, where each waits, and its variables."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.state, path_text(request, "id")))


@route(
    "GET",
    "/instances/{id}/payloads/{key}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE, PAYLOAD],
    answers={200: json_answer("The value.", Any)},
    problems={404: "no such instance, or no such value of it"},
)
async def payload(request: Request) -> Response:
    """A large value of an instance, by the key that its history shows."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.payload, path_text(request, "id"), path_text(request, "key")))


@route(
    "GET",
    "/instances/{id}/explain",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE],
    answers={200: json_answer("All of it.", documents.Explanation)},
    problems=_UNKNOWN,
)
async def explain(request: Request) -> Response:
    """What an instance waits for now."""
    Query(request)
    api = api_of(request)
    items = await api.call(api.client.waiting, path_text(request, "id"))
    return answer({"items": items, "next": None})


@route(
    "GET",
    "/instances/{id}/queries/{name}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[INSTANCE, piece("name", "The name of the query.")],
    answers={200: json_answer("Its value.", documents.QueryAnswer)},
    problems={404: "no such instance, or no such query of it", 409: "its history cannot be replayed"},
)
async def query(request: Request) -> Response:
    """The answer to a query that the workflow declares."""
    Query(request)
    api, instance_id, name = api_of(request), path_text(request, "id"), path_text(request, "name")
    value = await api.call(api.client.query, instance_id, name)
    return answer({"id": instance_id, "query": name, "value": value})


@route(
    "POST",
    "/instances/{id}/events/{name}",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[INSTANCE, EVENT],
    body=json_body(Any, required=False),
    answers={202: json_answer("It is kept for the instance.", documents.EventSent)},
    problems={**_UNKNOWN, **_OVER},
    keyed=True,
)
async def raise_event(request: Request) -> Response:
    """The body is the event's payload, no body is null."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    instance_id, name = path_text(request, "id"), path_text(request, "name")
    payload = await read_json(request, api.settings.body_bytes, optional=True)
    await api.raise_event(Raise(instance_id, name, payload, key))
    return answer({"id": instance_id, "event": name}, 202)


@route(
    "POST",
    "/events/{name}",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[EVENT],
    query=[Parameter(name="start", text="Start this workflow when nobody waits.", schema=NAME)],
    body=json_body(Any, required=False),
    answers={202: json_answer("It is kept for these.", documents.EventPublished)},
    problems={
        404: "nobody waits for it",
        409: "the workflow cannot be started",
        410: "it has ended meanwhile",
    },
    keyed=True,
)
async def publish(request: Request) -> Response:
    """An event for whoever waits for it by its content; the body is its payload."""
    query = Query(request)
    api, key, name = api_of(request), idempotency_key(request), path_text(request, "name")
    payload = await read_json(request, api.settings.body_bytes, optional=True)
    ids = await api.call(api.client.publish, name, payload, start=query.text("start"), request_key=key)
    return answer({"event": name, "ids": ids}, 202)


@_changes("/instances/{id}/suspend")
async def suspend(request: Request) -> Response:
    """Keep what arrives, and act on nothing until ``resume``."""
    return await _change(request, api_of(request).client.suspend)


@_changes("/instances/{id}/resume")
async def resume(request: Request) -> Response:
    """Go on after ``suspend``, or after what stopped it was repaired."""
    return await _change(request, api_of(request).client.resume)


@_changes("/instances/{id}/cancel")
async def cancel(request: Request) -> Response:
    """End it after its cleanup."""
    return await _change(request, api_of(request).client.cancel)


@_changes("/instances/{id}/terminate")
async def terminate(request: Request) -> Response:
    """End it at once, without cleanup."""
    return await _change(request, api_of(request).client.terminate)


async def _change(request: Request, verb: Callable[..., dict[str, Any]]) -> Response:
    """202 when the change is on its way, 200 when there is nothing to change."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Why, api.settings.body_bytes, optional=True)
    outcome = await api.call(verb, path_text(request, "id"), body.reason, request_key=key)
    return answer(outcome, 202 if outcome["changed"] else 200)
