"""The hub that the cases are sent to: of every noun something is there, in every state."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from starlette.applications import Starlette

from perdure.engine.activities import Context, Pending, Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.deployments import deploy_source
from perdure.server.settings import Settings
from tests.engine.letters import given_letters

WAIT_SECONDS = 0.02
"""The longest wait: a case that waits costs no more."""

ECHO = """\
dsl: perdure/1
name: echo
version: 1.0.0
do:
- return: ${ input }
"""
NEWER = ECHO.replace("1.0.0", "1.1.0")
GATE = """\
dsl: perdure/1
name: gate
version: 1.0.0
input:
  schema: { type: [object, "null"], properties: { limit: { type: integer } } }
queries:
  limit: "${ input == null ? 0 : 1 }"
events:
  Opened: {}
do:
- said: { wait_for_event: Opened, timeout: never }
- again: { wait_for_event: Opened, timeout: never }
- return: ["${ said }", "${ again }"]
"""
ORDERS = """\
dsl: perdure/1
name: orders
version: 1.0.0
events:
  Paid: {}
schedule:
- { cron: "0 3 1 1 *" }
do:
- paid: { wait_for_event: Paid, correlate: "${ event == 'x' }", timeout: never }
- return: ${ paid }
"""
FAILS = """\
dsl: perdure/1
name: fails
version: 1.0.0
do:
- first: { call: Refuse, retry: { attempts: 1 } }
"""
ASKS = """\
dsl: perdure/1
name: asks
version: 1.0.0
do:
- answer: { call: Ask }
- return: ${ answer }
"""
COUNTER = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: [integer, "null"] }, set: "${ state + 1 }", return: "${ state + 1 }" }
  get: { readonly: true, return: "${ state }" }
"""


@dataclass
class Hub:
    """The application, the key that may do everything, the workers, and words for parameters."""

    app: Starlette
    key: dict[str, str]
    workers: set[str] = field(default_factory=set)
    words: dict[str, list[str]] = field(default_factory=dict)


@contextmanager
def given_hub() -> Generator[Hub]:
    """A hub in memory with its worker; nobody without a key is answered."""
    registry = Registry()
    tokens: SimpleQueue[str] = SimpleQueue()

    def ask(ctx: Context) -> None:
        tokens.put(ctx.token())
        raise Pending

    def refuse() -> None:
        raise ValueError("no")

    registry.add("Ask", ask)
    registry.add("Refuse", refuse)
    store = open_store("memory://")
    with Worker(store, registry) as worker:
        client = Client(store, worker)
        app = create_app(
            client,
            worker,
            Settings(
                require_keys=True, any_host=True, wait_seconds=WAIT_SECONDS, stream_seconds=WAIT_SECONDS
            ),
        )
        key = client.create_key("runner", "admin")
        client.create_key("other", "viewer")
        for text in (ECHO, NEWER, GATE, ORDERS, FAILS, ASKS, COUNTER):
            deploy_source(client, text, "cases.yaml")
        for number in range(4):
            client.start("echo", {"n": number}, id=f"echo-{number}", tags={"team": "a"})
            client.start("gate", {"limit": number}, id=f"gate-{number}", tags={"team": "b"})
            client.start("fails", id=f"fails-{number}")
            client.start("asks", id=f"asks-{number}")
        client.start("orders", id="orders-1")
        for number in range(4):
            client.wait(f"echo-{number}", 20)
            client.wait(f"fails-{number}", 20)
        client.suspend("gate-1", "cases")
        client.terminate("gate-2", "cases")
        client.wait("gate-2", 20)
        client.call_entity("Counter@a", "add", 1, timeout=20)
        client.set_queue("slow", "10/s")
        letters = given_letters(store, *["gate-0"] * 6)
        ids = [f"{name}-{number}" for name in ("echo", "gate", "fails", "asks") for number in range(4)]
        yield Hub(
            app,
            key,
            {each["id"] for each in client.workers()},
            {
                "wait": ["0s", "1ms", "15ms"],
                "instance": [*ids, "orders-1"],
                "workflow": ["echo", "echo@1.0.0", "gate", "orders", "fails"],
                "name": ["echo", "gate", "orders", "fails"],
                "version": ["1.0.0", "1.1.0"],
                "reference": ["echo", "gate@1.0.0", "echo@1.0.0", "echo@1.1.0", "Counter@1.0.0"],
                "event": ["Opened", "Paid"],
                "query": ["limit"],
                "step": ["said", "again", "first"],
                "entity": ["Counter@a", "Counter@b"],
                "operation": ["add", "get"],
                "schedule": ["orders"],
                "queue": ["slow"],
                "number": [str(each) for each in letters],
                "token": [tokens.get(timeout=20) for _ in range(4)],
            },
        )
