"""Probes: is the process alive, can it serve, what is it."""

from __future__ import annotations

from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from perdure.compiler.ir import IR_VERSION
from perdure.engine.access import Role
from perdure.server import bodies, documents
from perdure.server.answers import HEADERS, answer
from perdure.server.api import api_of
from perdure.server.metrics import exposition
from perdure.server.operation import ANYBODY, Answer, json_answer, json_body, route
from perdure.server.parameters import piece
from perdure.server.payloads import Query, path_text, without_body
from perdure.server.problems import RETRY_SECONDS, Problem

_TAG = "Server"


@route("GET", "/livez", ANYBODY, tag=_TAG, answers={200: json_answer("It does.", documents.Health)})
async def livez(request: Request) -> Response:
    """The process answers; it says nothing about the database."""
    Query(request)
    return answer({"status": "ok"})


@route("GET", "/readyz", ANYBODY, tag=_TAG, answers={200: json_answer("They are.", documents.Health)})
async def readyz(request: Request) -> Response:
    """The database answers, all turns are taken by somebody, and this server is to go on."""
    Query(request)
    problem = await api_of(request).readiness.problem()
    if problem is not None:
        raise Problem(503, "not_ready", problem, headers={"retry-after": str(RETRY_SECONDS)})
    return answer({"status": "ok"})


@route("GET", "/version", ANYBODY, tag=_TAG, answers={200: json_answer("These.", documents.Version)})
async def get_version(request: Request) -> Response:
    """The release, the newest version of Programs that it runs, and its language."""
    Query(request)
    return answer({"version": version("perdure"), "ir": IR_VERSION, "dsl": "perdure/1"})


@route(
    "GET",
    "/stats",
    Role.VIEWER,
    tag=_TAG,
    answers={200: json_answer("The counts.", documents.Stats)},
)
async def get_stats(request: Request) -> Response:
    """How many instances, tasks, messages and the like there are: cheap, whatever the hub holds."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.stats))


@route(
    "GET",
    "/metrics",
    Role.VIEWER,
    tag=_TAG,
    answers={200: Answer(text="Gauges.", content={"text/plain": {"type": "string"}})},
    problems={501: "the extra `metrics` is not installed"},
)
async def get_metrics(request: Request) -> Response:
    """The same counts for Prometheus, with the open streams of this server."""
    Query(request)
    api = api_of(request)
    text, media_type = exposition(await api.call(api.client.stats), api.streams.open)
    return Response(text, 200, HEADERS, media_type)


@route(
    "GET", "/workers", Role.VIEWER, tag="Fleet", answers={200: json_answer("All of them.", documents.Workers)}
)
async def list_workers(request: Request) -> Response:
    """The live workers of the hub."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.workers), "next": None})


@route(
    "POST",
    "/workers/{worker}/drain",
    Role.ADMIN,
    tag="Fleet",
    pieces=[piece("worker", "The id of the worker.")],
    body=json_body(bodies.Nothing, required=False),
    answers={200: json_answer("It is asked to.", documents.WorkerAsked)},
    problems={404: "there is no such live worker"},
)
async def drain_worker(request: Request) -> Response:
    """Ask a worker to give its slots to others, end what it runs, and leave."""
    await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.drain_worker, path_text(request, "worker")))
