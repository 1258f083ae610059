"""Mutated requests to every route of the server: refused in a proper way or answered, never 500."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.settings import Settings
from tests.checkout import ROOT
from tests.fuzz.texts import TextMutator
from tests.fuzz.values import ODD, as_text, changed, damaged, nodes
from tests.server.hub import ECHO, GATE

API = "/api/v1"
ENTITY = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { value: 0 }
operations:
  add: { effects: [ { set: { value: "${ state.value + 1 }" } } ] }
"""
BODIES: tuple[Any, ...] = (
    {"workflow": "echo", "input": {"a": [1, 2]}, "id": "i1", "tags": {"team": "x"}},
    {"workflow": "gate", "version": "1.0.0", "input": {"limit": 1}, "if_exists": "reuse"},
    {"workflow": "gate", "start_at": "2030-01-01T00:00:00Z", "event": {"name": "Opened", "payload": 1}},
    {"payload": {"a": 1}, "correlate": {"order": 1}},
    {"reason": "because", "children": True, "recursive": True, "force": True},
    {"to": "step", "step": "said", "from": "said", "input": 1, "id": "i2", "version": "1.0.0"},
    {"result": {"a": 1}, "error": "E", "message": "m", "data": 1, "retryable": False},
    {"action": "complete", "result": 1, "burst": 2, "rate": "5/s", "interval": "1s"},
    {"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z", "dry_run": True, "at": "2030-01-01"},
    [],
    "text",
)
_PARTS = tuple(node for body in BODIES for node in nodes(body))
IDS = ("i1", "i2", "gate", "echo", "echo@1.0.0", "Counter@a", "said", "add", "Opened", "input", "1",
       "9" * 30, "a b",
       "é", "😀", "\0", "a/b", "..", "%", "x" * 300, "@Counter@a", "*", "\ud800", "")  # fmt: skip
_HEADERS = (
    ("content-type", "application/json"), ("content-type", "application/yaml"), ("content-type",
    "text/plain;\0"),
    ("content-type", "application/json; charset=utf-16"), ("idempotency-key", "k1"), ("idempotency-key", "é"),
    ("idempotency-key", "x" * 300), ("content-length", "-1"), ("content-length", "abc"), ("accept",
    "text/html"),
    ("x-request-id", "\x01"), ("if-match", '"1"'), ("prefer", "wait=1"), ("host", "evil"), ("origin",
    "http://evil"), ("host", "["), ("host", "127.0.0.1:x"),
    ("sec-fetch-site", "cross-site"), ("transfer-encoding", "chunked"), ("authorization", "Bearer x"),
    ("content-encoding", "gzip"), ("traceparent", "00-" + "a" * 32), ("range", "bytes=0-"),
)  # fmt: skip
_NEW_HUB_AFTER = 400
"""Requests to one hub; then it begins anew, so that what was started does not fill the memory."""


class Call(NamedTuple):
    """A request as a server hands it to an application."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@cache
def routes() -> tuple[tuple[str, str], ...]:
    """Method and path of every route."""
    app = create_app(Client(open_store("memory://"), None), None)
    return tuple(_paths("", app.routes))


def _paths(prefix: str, found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for each in found:
        if isinstance(each, Mount):
            yield from _paths(prefix + each.path, list(each.routes))
        elif isinstance(each, Route):
            yield from ((method, prefix + each.path) for method in sorted(each.methods or {"GET"}))


@cache
def words() -> tuple[str, ...]:
    """Every name that stands in the server's source: fields and parameters are among them."""
    text = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("server/**/*.py")))
    found = re.findall(r'"([a-z_A-Z.]{2,20})"|^    ([a-z_]{2,20}):', text, flags=re.MULTILINE)
    return tuple(sorted({one or other for one, other in found}))


def call(seed: int, number: int) -> Call:
    """The mutated request of that number; the same every time."""
    source = random.Random(f"request {seed} {number}")
    method, path = source.choice(routes())
    if source.random() < 0.03:
        method = source.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"))
    path = re.sub(r"\{.*?\}", lambda _: source.choice(IDS), path)
    mutator = TextMutator(source, words())
    if source.random() < 0.1:
        path = "/" + mutator.change(path, path)[1:]
    kind = "application/json"
    text = as_text(source, changed(source, source.choice(BODIES), _PARTS, words()))
    if source.random() < 0.3:
        text = as_text(source, source.choice(BODIES))
    if "definitions" in path and source.random() < 0.8:
        kind, text = "application/yaml", mutator.change(source.choice((ECHO, GATE, ENTITY)), GATE)
    body = text.encode(errors="surrogatepass")
    if source.random() < 0.1:
        body = damaged(source, body)
    given = [("content-type", kind), *source.sample(_HEADERS, source.choice((0, 0, 0, 1, 2)))]
    headers = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in given)
    return Call(method, path, _query(source), headers, b"" if method == "GET" else body)


def _query(source: random.Random) -> bytes:
    values = ("1", "0", "-1", "true", "", "a", "team:x", "Running", "1000", "99999999999999999999", "30s",
    "0s",
              "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "created_at", "WyIiXQ",
              "WzkyMjMzNzIwMzY4NTQ3NzU4MDgwLCAiYSJd", *(str(each) for each in ODD))  # fmt: skip
    known = ("limit", "cursor", "wait", "status", "tag", "name", "type", "prefix", "generation", "after",
    "where",
             "created_from", "created_to", "dry_run", "expect", "to", "order", "filter", "sort",
             *words())  # fmt: skip
    pairs = []
    for _ in range(source.choice((0, 0, 1, 2, 3))):
        name = source.choice(known[:19]) if source.random() < 0.7 else source.choice(known)
        pairs.append(f"{quote(name)}={quote(source.choice(values), errors='replace')}")
    query = "&".join(pairs).encode()
    return damaged(source, query) if source.random() < 0.1 else query


class _Served:
    """A hub behind its application, with an instance of each workflow; ``used`` counts requests."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.used = 0


_loop = asyncio.new_event_loop()
_served: list[tuple[Any, _Served]] = []


@contextmanager
def _hub() -> Iterator[_Served]:
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        settings = Settings(threads=4, wait_seconds=0.01)
        served = _Served(create_app(Client(store, worker), worker, settings))
        for source in (ECHO, GATE, ENTITY):
            _answer(served.app, _post("/definitions", source, "application/yaml"))
        for id_, name in (("i1", "gate"), ("i2", "echo")):
            _answer(served.app, _post("/instances", json.dumps({"workflow": name, "id": id_})))
        yield served


def _post(path: str, text: str, kind: str = "application/json") -> Call:
    return Call("POST", API + path, b"", ((b"content-type", kind.encode()),), text.encode())


def _current() -> _Served:
    """The hub that is asked now."""
    if not _served or _served[-1][1].used >= _NEW_HUB_AFTER:
        if _served:
            _served.pop()[0].__exit__(None, None, None)
        manager = _hub()
        _served.append((manager, manager.__enter__()))
    served = _served[-1][1]
    served.used += 1
    return served


def examine(given: Call) -> str | None:
    """What is wrong with an answer, or None; any exception is wrong too."""
    status, headers, body = _answer(_current().app, given)
    kind = headers.get(b"content-type", b"").decode("latin-1")
    if status >= 500 and status not in {501, 503}:
        return f"{status}: {body[:300]!r}"
    if "json" in kind and body:
        document = json.loads(body)
        if kind.startswith("application/problem+json"):
            return _problem(status, document)
    mine = given.path.startswith(API + "/") and given.method != "HEAD"
    if status >= 400 and mine and not kind.startswith("application/problem+json"):
        return f"{status} without a problem document: {kind} {body[:100]!r}"
    return None


def _problem(status: int, document: Any) -> str | None:
    known = {"type", "title", "status", "detail", "code"}
    missing = known - document.keys() if isinstance(document, dict) else known
    if (
        missing
        or document["status"] != status
        or document["type"] != f"urn:perdure:problem:{document['code']}"
    ):
        return f"no proper problem: {status} {document!r}"
    return None


def _answer(app: Starlette, given: Call) -> tuple[int, dict[bytes, bytes], bytes]:
    """What the application sends. The client has gone when it has sent its request."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": given.body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = list(given.headers)
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b"127.0.0.1"))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": given.method,
        "scheme": "http",
        "path": given.path.encode(errors="replace").decode(), "raw_path": quote(given.path,
        errors="replace").encode(),
        "root_path": "", "query_string": given.query, "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    _loop.run_until_complete(app(scope, receive, send))
    if not sent:
        return 499, {b"content-type": b"application/problem+json"}, b""
    body = b"".join(each.get("body", b"") for each in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body
