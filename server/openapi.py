"""The OpenAPI 3.1 document, written from what the routes say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from perdure.server import documents
from perdure.server.api import ACTOR, PREFIX
from perdure.server.operation import Answer, Body, Operation, Parameter
from perdure.server.problems import MEDIA_TYPE

_REFERENCE = "#/components/schemas/{name}"
_ABOUT = """\
Everything that the engine can do. Bodies are JSON in UTF-8, times are RFC 3339 in UTC, durations are written
as in workflows. Unknown fields and parameters are refused. Errors are problem documents with a stable `code`.
"""
_TAGS = {
    "Definitions": "Workflows and entities that are deployed.",
    "Instances": "What runs, and what has ended.",
    "Tokens": "Activities that are completed from outside.",
    "Entities": "State with a name.",
    "Schedules": "What starts workflows by the calendar.",
    "Dead letters": "What could not be delivered.",
    "Audit": "Who did what.",
    "Fleet": "Workers and queues.",
    "Keys": "Who may ask.",
    "Server": "Probes, and what the server is.",
}
_COMMON = {
    400: "The request cannot be read, or its Host is not this machine.",
    401: "A key is asked for, and none that counts is shown.",
    403: "The key may not do this, or a page of another origin sent it.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body has another media type.",
    422: "Something does not fit: a field or parameter that is unknown, of the wrong type, or refused.",
    429: "More is asked than can be taken in, or by this key than it may ask.",
    500: "Something went wrong inside; the server's log says more.",
    503: "The database is out of reach for a moment, or it is not known whether the request was carried out.",
}
_RETRY = {429, 503}


def openapi(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document."""
    found = list(operations)
    schemas = _Schemas(found)
    paths: dict[str, dict[str, Any]] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas, found)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "perdure", "version": version("perdure"), "description": _ABOUT},
        "servers": [{"url": PREFIX}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {str(status): _problem(text, schemas, status) for status, text in _COMMON.items()},
            "parameters": _HEADERS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "pdk_...",
                    "description": "`perdure keys create` makes one; a server may also take tokens of an "
                    "OpenID provider. A hub without keys asks for none.",
                }
            },
        },
    }


class _Schemas:
    """The schema of everything that a route names, with those that others refer to as components."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        kinds: list[Any] = [documents.Problem]
        for each in operations:
            parts: list[Body | Answer] = [*each.answers.values()]
            for part in parts if each.body is None else [*parts, each.body]:
                for kind in part.content.values():
                    kinds += kind if isinstance(kind, tuple) else [] if isinstance(kind, Mapping) else [kind]
        found, self.components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
        self._found = [(kind, _plain(schema)) for kind, schema in zip(kinds, found, strict=True)]
        self.components = {name: _plain(schema) for name, schema in self.components.items()}

    def of(self, kind: Any) -> Any:
        if isinstance(kind, Mapping):
            return dict(kind)
        if isinstance(kind, tuple):
            return {"anyOf": [self.of(each) for each in kind]}
        return next(schema for known, schema in self._found if known == kind)


def _plain(schema: Any) -> Any:
    """A schema without what says nothing: titles that repeat names, and null as a default."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _plain(value) for name, value in schema.items()}
    if isinstance(kept.get("title"), str):
        kept.pop("title")
    if kept.get("default", ...) is None:
        kept.pop("default")
    return kept


def _operation(operation: Operation, schemas: _Schemas, others: list[Operation]) -> dict[str, Any]:
    summary, _, more = operation.text.partition("\n\n")
    document: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": _line(summary),
        **({"description": _line(more)} if more else {}),
        "parameters": [
            *(_parameter(each, "path") for each in operation.pieces),
            *(_parameter(each, "query") for each in operation.query),
            *({"$ref": f"#/components/parameters/{name}"} for name in _headers_of(operation)),
        ],
    }
    if operation.body is not None:
        document["requestBody"] = _body(operation.body, schemas)
    document["responses"] = {
        **{
            str(status): _answer(answer, schemas, others)
            for status, answer in sorted(operation.answers.items())
        },
        **{
            str(status): _problem(f"{text[0].upper()}{text[1:]}.", schemas, status)
            for status, text in sorted(operation.problems.items())
        },
        **{
            str(status): {"$ref": f"#/components/responses/{status}"}
            for status in _common(operation)
            if status not in operation.problems
        },
    }
    document["security"] = [] if operation.role is None else [{"key": [operation.role.word]}]
    return document


def _operation_id(operation: Operation) -> str:
    """The method and the path as one word: ``postInstancesIdEventsName``."""
    words = re.findall(r"[A-Za-z]+", operation.path)
    return operation.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _common(operation: Operation) -> list[int]:
    """What any request of its kind may be refused with."""
    statuses = [400]
    if operation.role is not None:
        statuses += [401]
    if operation.role is not None or operation.method != "GET":
        statuses += [403]
    if operation.body is not None:
        statuses += [408, 413, 415]
    return [*statuses, 422, 429, 500, 503]


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    schema = dict(parameter.schema)
    return {
        "name": parameter.name,
        "in": place,
        "description": parameter.text,
        **({"required": True} if parameter.required else {}),
        "schema": {"type": "array", "items": schema} if parameter.several else schema,
        **({} if parameter.example is None else {"example": parameter.example}),
    }


def _body(body: Body, schemas: _Schemas) -> dict[str, Any]:
    content = _content(body.content, schemas)
    if not body.required:
        # Who may send nothing may also send null.
        content = {
            media: {"schema": {"anyOf": [each["schema"], {"type": "null"}]} if each["schema"] else {}}
            for media, each in content.items()
        }
    return {"required": body.required, "content": content}


def _answer(answer: Answer, schemas: _Schemas, others: list[Operation]) -> dict[str, Any]:
    links = {
        _operation_id(each): {"operationId": _operation_id(each), "parameters": dict(put)}
        for begin, put in answer.leads_to.items()
        for each in others
        if each.path == begin or each.path.startswith(f"{begin}/")
    }
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
    }
    return {
        "description": answer.text,
        **({"headers": headers} if headers else {}),
        **({"content": _content(answer.content, schemas)} if answer.content else {}),
        **({"links": links} if links else {}),
    }


def _content(content: Mapping[str, Any], schemas: _Schemas) -> dict[str, Any]:
    return {media: {"schema": schemas.of(kind)} for media, kind in content.items()}


def _problem(text: str, schemas: _Schemas, status: int) -> dict[str, Any]:
    header = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    return {
        "description": text or HTTPStatus(status).phrase,
        **({"headers": {"retry-after": header}} if status in _RETRY else {}),
        "content": {MEDIA_TYPE: {"schema": schemas.of(documents.Problem)}},
    }


def _line(text: str) -> str:
    """A docstring as Markdown."""
    return " ".join(text.split()).replace("``", "`")


def _headers_of(operation: Operation) -> list[str]:
    return [
        *(["key"] if operation.keyed else []),
        *(["actor"] if operation.method != "GET" and operation.role is not None else []),
    ]


_HEADERS = {
    "key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the request repeatable: with the same body it is carried out once and has the "
        "first answer, with another body it is refused (409).",
        "schema": {"type": "string", "pattern": r"^[!-~](?:[ -~]{0,253}[!-~])?$"},
    },
    "actor": {
        "name": ACTOR.title(),
        "in": "header",
        "description": "On whose behalf it is done, for the audit: percent-encoded UTF-8.",
        "schema": {"type": "string", "pattern": r"^[!-~](?:[ -~]{0,253}[!-~])?$"},
    },
}
