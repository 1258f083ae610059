"""Probes: is the process alive, can it serve, what is it."""

from __future__ import annotations

from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from perdure.compiler.ir import IR_VERSION
from perdure.engine.access import Role
from perdure.engine.errors import StoreError
from perdure.server import documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import ANYBODY, json_answer, route
from perdure.server.payloads import Query
from perdure.server.problems import RETRY_SECONDS, Problem

_TAG = "Server"


@route("GET", "/livez", ANYBODY, tag=_TAG, answers={200: json_answer("It does.", documents.Health)})
async def livez(request: Request) -> Response:
    """The process answers; it says nothing about the database."""
    Query(request)
    return answer({"status": "ok"})


@route("GET", "/readyz", ANYBODY, tag=_TAG, answers={200: json_answer("They are.", documents.Health)})
async def readyz(request: Request) -> Response:
    """The database answers, and the worker of this process, if there is one, is well."""
    Query(request)
    api = api_of(request)
    if api.worker is not None and not api.worker.alive:
        raise _not_ready("The worker of this process has died; its log says why.")
    try:
        await api.call(api.client.workers)
    except StoreError:
        raise _not_ready("The database does not answer.") from None
    return answer({"status": "ok"})


@route("GET", "/version", ANYBODY, tag=_TAG, answers={200: json_answer("These.", documents.Version)})
async def get_version(request: Request) -> Response:
    """The release, the newest version of Programs that it runs, and its language."""
    Query(request)
    return answer({"version": version("perdure"), "ir": IR_VERSION, "dsl": "perdure/1"})


@route(
    "GET", "/workers", Role.VIEWER, tag="Fleet", answers={200: json_answer("All of them.", documents.Workers)}
)
async def list_workers(request: Request) -> Response:
    """The live workers of the hub."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.workers), "next": None})


def _not_ready(detail: str) -> Problem:
    return Problem(503, "not_ready", detail, headers={"retry-after": str(RETRY_SECONDS)})
