"""Definitions: deploy a file, list what is deployed, show one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from perdure.compiler.disassemble import disassemble
from perdure.dsl import Source, load
from perdure.dsl.diagram import Picture, draw
from perdure.dsl.model import Workflow
from perdure.engine.access import Role
from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.definitions import unknown
from perdure.server import bodies, documents
from perdure.server.access import Endpoint
from perdure.server.answers import answer, text_answer
from perdure.server.api import PREFIX, Api, api_of
from perdure.server.deployments import compare, decode_source, deploy_source
from perdure.server.operation import JSON, Answer, Body, Operation, Parameter, json_answer, json_body, route
from perdure.server.parameters import CURSOR, DRY_RUN, FLAG, NAME, REFERENCE, limit, piece
from perdure.server.payloads import (
    YAML,
    Query,
    check_media_type,
    invalid_parameter,
    path_text,
    read_body,
    read_fields,
    without_body,
)
from perdure.server.problems import Problem

LIMIT = 50
MAX_FILENAME = 255
_FORMATS = ("json", "yaml", "listing", "svg", "mermaid")

_TAG = "Definitions"
_UNKNOWN = {404: "there is no such definition"}


def _chooses(path: str) -> Callable[[Endpoint], Operation]:
    """A route that says which version starts instances."""
    return route(
        "POST",
        path,
        Role.ADMIN,
        tag=_TAG,
        pieces=[REFERENCE],
        body=json_body(bodies.Nothing, required=False),
        answers={200: json_answer("The version.", documents.DefinitionChanged)},
        problems=_UNKNOWN,
    )


@route(
    "POST",
    "/definitions",
    Role.ADMIN,
    tag=_TAG,
    query=[
        DRY_RUN,
        Parameter(
            name="filename",
            text="What diagnostics call the file.",
            schema={
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_FILENAME,
                "format": "perdure-printable",
            },
        ),
        Parameter(
            name="activate",
            text="Make new versions the active ones.",
            schema={"type": "boolean", "default": True},
        ),
        Parameter(name="allow_breaking", text="Also what breaks the active version.", schema=FLAG),
        Parameter(
            name="check_replay",
            text="Only what decides all that the newest 100 running instances of the active version did.",
            schema=FLAG,
        ),
    ],
    body=Body(content={YAML: {"type": "string"}, JSON: bodies.File}),
    answers={
        201: json_answer(
            "Something is new.", documents.Deployment, {"location": "The path of the first one."}
        ),
        200: json_answer("Nothing is new, or nothing was written.", documents.Deployment),
    },
    problems={409: "a version is there with other content, would break the active one, or would diverge"},
)
async def deploy(request: Request) -> Response:
    """Deploy every workflow of a file, or none: 201 when one is new, 200 when nothing has changed."""
    query = Query(request)
    dry_run, filename = query.flag("dry_run"), _filename(query)
    activate = query.choice("activate", ("true", "false"), "true") == "true"
    allow_breaking, check_replay = query.flag("allow_breaking"), query.flag("check_replay")
    api = api_of(request)
    text = await _text(request, filename, api)
    items = await api.call(
        deploy_source,
        api.client,
        text,
        filename,
        dry_run=dry_run,
        activate=activate,
        allow_breaking=allow_breaking,
        check_replay=check_replay,
    )
    created = [each for each in items if each["outcome"] == "created"]
    if dry_run or not created:
        return answer({"items": items})
    first = f"{quote(created[0]['name'])}@{quote(created[0]['version'])}"
    return answer({"items": items}, 201, {"location": f"{PREFIX}/definitions/{first}"})


@route(
    "GET",
    "/definitions",
    Role.VIEWER,
    tag=_TAG,
    query=[limit(LIMIT), CURSOR],
    answers={200: json_answer("A page.", documents.Definitions)},
)
async def list_definitions(request: Request) -> Response:
    """A page of all versions of all definitions, by name and newest first."""
    return answer(await _page(request, Query(request), None))


@route(
    "GET",
    "/definitions/{reference}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[piece("reference", "`NAME`, or `NAME@VERSION`.")],
    query=[
        Parameter(
            name="format",
            text="How a version is shown; of `NAME@VERSION` alone.",
            schema={"type": "string", "enum": list(_FORMATS), "default": "json"},
        ),
        limit(LIMIT),
        CURSOR,
    ],
    answers={
        200: Answer(
            text="A page of the versions, or the version.",
            content={
                JSON: (documents.Definitions, documents.Definition),
                YAML: {},
                "text/plain": {"type": "string"},
                "image/svg+xml": {"type": "string"},
            },
        )
    },
    problems=_UNKNOWN,
)
async def show(request: Request) -> Response:
    """``NAME``: its versions, newest first. ``NAME@VERSION``: that one, as JSON, its source or a listing."""
    name, at, version = path_text(request, "reference").partition("@")
    if at:
        return await _show_version(request, name, version)
    query = Query(request)
    if query.text("format") is not None:
        raise invalid_parameter("format", "is of one version", "ask for NAME@VERSION")
    page = await _page(request, query, name)
    if not page["items"] and query.text("cursor") is None:
        raise await api_of(request).call(unknown, api_of(request).client.store, name, None)
    return answer(page)


async def _page(request: Request, query: Query, name: str | None) -> dict[str, Any]:
    api = api_of(request)
    return await api.call(
        api.client.definitions_page,
        name,
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )


@_chooses("/definitions/{reference}/activate")
async def activate(request: Request) -> Response:
    """Make a version what a start without a version means."""
    return await _choose(request, api_of(request).client.activate)


@_chooses("/definitions/{reference}/retire")
async def retire(request: Request) -> Response:
    """Let a version start nothing any more."""
    return await _choose(request, api_of(request).client.retire)


async def _choose(request: Request, verb: Callable[[str, str], dict[str, Any]]) -> Response:
    await without_body(request)
    name, _, version = path_text(request, "reference").partition("@")
    return answer(await api_of(request).call(verb, name, version))


@route(
    "GET",
    "/definitions/{name}/diff",
    Role.VIEWER,
    tag=_TAG,
    pieces=[piece("name", "The name of a definition.")],
    query=[
        Parameter(name="from", text="The one version.", schema=NAME, required=True),
        Parameter(name="to", text="The other version.", schema=NAME, required=True),
    ],
    answers={200: json_answer("What differs.", documents.Difference)},
    problems={**_UNKNOWN, 409: "a version that this release cannot read"},
)
async def diff(request: Request) -> Response:
    """What differs between two versions, and what the second one breaks of the first."""
    query = Query(request)
    api, versions = api_of(request), []
    for name in ("from", "to"):
        version = query.text(name)
        if not version:
            raise invalid_parameter(name, "is needed: a version")
        versions.append(version)
    return answer(await api.call(compare, api.client, path_text(request, "name"), *versions))


async def _show_version(request: Request, name: str, version: str) -> Response:
    query = Query(request)
    for each in ("limit", "cursor"):
        if query.text(each) is not None:
            raise invalid_parameter(each, "is of a list", "ask for NAME")
    form = query.choice("format", _FORMATS, "json")
    api = api_of(request)
    definition = await api.call(api.client.definition, name, version)
    match form:
        case "yaml":
            return text_answer(definition["source"], YAML)
        case "svg":
            return text_answer(await api.call(_picture, definition, "svg"), "image/svg+xml")
        case "mermaid":
            return text_answer(await api.call(_picture, definition, "mermaid"), "text/plain")
        case "listing":
            return text_answer(await api.call(_listing, api, definition), "text/plain")
        case _:
            return answer(definition)


def _listing(api: Api, definition: dict[str, Any]) -> str:
    return disassemble(api.client.compiled(definition["program_digest"]))


def _picture(definition: dict[str, Any], picture: Picture) -> str:
    """Raises ``Problem`` (422) for an entity."""
    wanted = definition["name"], definition["version"]
    for each in load(Source(definition["name"], definition["source"])).documents:
        if isinstance(each, Workflow) and (each.name, each.version) == wanted:
            return draw(each, picture)
    raise invalid_parameter("format", "is json, yaml or listing for an entity: only workflows are drawn")


async def _text(request: Request, filename: str, api: Api) -> str:
    if check_media_type(request, YAML, JSON) == JSON:
        return (await read_fields(request, bodies.File, api.settings.body_bytes)).source
    return decode_source(filename, await read_body(request, api.settings.body_bytes))


def _filename(query: Query) -> str:
    """What diagnostics and listings call the file."""
    name = query.text("filename") or "request.yaml"
    if len(name) > MAX_FILENAME or not name.isprintable():
        detail = f"The name of a file has at most {MAX_FILENAME} characters, and they can be printed."
        raise Problem(422, "invalid_name", detail)
    return name
