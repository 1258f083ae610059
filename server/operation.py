"""What a route says of itself, once: path, role, parameters, bodies, answers.

The route takes no other query parameters than those that it names here, asks for the role that it names here,
and the OpenAPI document is written from the same words. A route that leaves something out stops the program
that loads it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.engine.access import Role
from perdure.server.access import Endpoint, Scoped

JSON = "application/json"
ANYBODY: Role | None = None
"""The role of those who show no key."""
_SCOPE = "operation"
_IN_PATH = re.compile(r"{(\w+)}")
_NOTHING: Mapping[Any, Any] = MappingProxyType({})

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A piece of the path or a query parameter; ``several`` says that it may stand more than once."""

    name: str
    text: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    several: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries: a type (or a schema) for each media type."""

    content: Mapping[str, Any]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back when all is well: a type, several of them, or a schema for each media type.

    ``headers`` have texts. ``leads_to`` says where one goes on: paths that begin so, and what is put into
    them, as OpenAPI says it (``{"/instances/{id}": {"id": "$response.body#/id"}}``).
    """

    text: str
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    leads_to: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def json_body(kind: Any, *, required: bool = True) -> Body:
    """A body of JSON."""
    return Body(content={JSON: kind}, required=required)


def json_answer(
    text: str,
    kind: Any,
    headers: Mapping[str, str] = _NOTHING,
    leads_to: Mapping[str, Mapping[str, str]] = _NOTHING,
) -> Answer:
    """An answer of JSON."""
    return Answer(text=text, content={JSON: kind}, headers=headers, leads_to=leads_to)


class Operation(Scoped):
    """What answers one method of one path, for those who have a role.

    ``problems`` are refusals beside those that every route knows. ``keyed`` says that an ``Idempotency-Key``
    makes it repeatable.
    """

    def __init__(
        self,
        method: str,
        path: str,
        role: Role | None,
        endpoint: Endpoint,
        *,
        tag: str,
        pieces: Iterable[Parameter],
        query: Iterable[Parameter],
        body: Body | None,
        answers: Mapping[int, Answer],
        problems: Mapping[int, str],
        keyed: bool,
    ) -> None:
        super().__init__(role, endpoint)
        self.method, self.path = method, path
        self.name: str = getattr(endpoint, "__name__", "")
        self.text = inspect.getdoc(endpoint) or ""
        self.tag = tag
        self.pieces, self.query = tuple(pieces), tuple(query)
        self.body, self.answers, self.problems = body, answers, problems
        self.keyed = keyed
        _check(self)

    async def __call__(self, request: Request) -> Response:
        request.scope[_SCOPE] = self
        return await super().__call__(request)


def _check(operation: Operation) -> None:
    """Raises ``ValueError`` for what is not described."""
    place = f"{operation.method} {operation.path}"
    if not operation.text:
        raise ValueError(f"{place}: its function has no docstring, which describes it")
    if not operation.answers:
        raise ValueError(f"{place} does not say what it answers")
    named, used = {each.name for each in operation.pieces}, set(_IN_PATH.findall(operation.path))
    if named != used:
        raise ValueError(f"{place} describes the pieces {sorted(named)} of its path, and has {sorted(used)}")
    if any(not each.text for each in (*operation.pieces, *operation.query)):
        raise ValueError(f"{place} has a parameter without a description")


def route(
    method: str,
    path: str,
    role: Role | None,
    *,
    tag: str,
    answers: Mapping[int, Answer],
    pieces: Iterable[Parameter] = (),
    query: Iterable[Parameter] = (),
    body: Body | None = None,
    problems: Mapping[int, str] = _NOTHING,
    keyed: bool = False,
) -> Callable[[Endpoint], Operation]:
    """Make a function what answers a route; its docstring is the description. Raises ``ValueError``."""

    def described(endpoint: Endpoint) -> Operation:
        return Operation(
            method,
            path,
            role,
            endpoint,
            tag=tag,
            pieces=pieces,
            query=query,
            body=body,
            answers=answers,
            problems=problems,
            keyed=keyed,
        )

    return described


def operation_of(request: Request) -> Operation:
    """What answers a request."""
    found: Operation = request.scope[_SCOPE]
    return found


class Path(Route):
    """One path with what answers each of its methods, so that a 405 names them all."""

    def __init__(self, path: str, operations: Iterable[Operation]) -> None:
        self.operations = {each.method: each for each in operations}
        self.roles = {method: each.role for method, each in self.operations.items()}

        async def answer(request: Request) -> Response:
            return await self.operations["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, answer, methods=list(self.operations))


def operations_in(modules: Iterable[ModuleType]) -> list[Operation]:
    """Every operation of some modules, in the order in which they stand there."""
    return [each for module in modules for each in vars(module).values() if isinstance(each, Operation)]


def paths(operations: Iterable[Operation]) -> list[Path]:
    """The operations by their paths, in their order. Raises ``ValueError`` for one that is there twice."""
    found: dict[str, list[Operation]] = {}
    for each in operations:
        there = found.setdefault(each.path, [])
        if any(each.method == other.method for other in there):
            raise ValueError(f"{each.method} {each.path} is there twice")
        there.append(each)
    return [Path(path, there) for path, there in found.items()]
