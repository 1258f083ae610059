"""An example of each route of docs/http-api.md, for curl. They run in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

URL = "http://127.0.0.1:7410"

ACTIVITIES = """\
from pathlib import Path

from perdure import Context, Pending, activity


@activity
def Ask(ctx: Context) -> None:
    with Path("token").open("a", encoding="utf-8") as file:
        print(ctx.token(), file=file)
    raise Pending
"""
"""What the server of the examples offers: the token of what is to be completed, in a file."""

SETUP = f"""\
API={URL}/api/v1 JSON='Content-Type: application/json'
cat > shop.perdure.yaml <<'YAML'
dsl: perdure/1
name: shop
version: 1.0.0
events: {{ Paid: {{}} }}
queries: {{ amount: "${{ input == null ? 0 : input.amount }}" }}
schedule:
- {{ cron: "0 3 * * *" }}
do:
- paid: {{ wait_for_event: Paid, timeout: never }}
- return: ${{ paid }}
---
dsl: perdure/1
name: ask
version: 1.0.0
do:
- said: {{ call: Ask }}
---
dsl: perdure/1
name: ship
version: 1.0.0
events: {{ Packed: {{}} }}
do:
- packed: {{ wait_for_event: Packed, correlate: "${{ event.order == input.order }}", timeout: never }}
---
dsl: perdure/1
kind: entity
name: Stock
version: 1.0.0
state: {{ initial: 0 }}
operations:
  add: {{ input: {{ type: integer }}, set: "${{ state + input }}", return: "${{ state + input }}" }}
YAML
"""
"""What the examples begin with."""


def _get(path: str, *options: str) -> str:
    return _curl(path, "", *options)


def _post(path: str, body: str = "", *options: str) -> str:
    return _curl(path, body, *options) if body else _curl(path, "", "-X POST", *options)


def _curl(path: str, body: str, *options: str) -> str:
    sent = f""" \\\n  -H "$JSON" -d '{body}'""" if body else ""
    more = "".join(f" {each}" for each in options)
    return f'curl -sS --fail-with-body{more} "$API{path}"{sent}'


def _started(id: str, then: str, workflow: str = "shop") -> str:
    """An act on an instance of its own, which is started first."""
    return _post("/instances", f'{{"workflow": "{workflow}", "id": "{id}"}}') + "\n" + then


ENDED = 'until curl -sS "$API/instances/{}?fields=ended_at" | grep -q T; do sleep 0.1; done'
EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "POST /definitions": 'curl -sS --fail-with-body "$API/definitions" \\\n'
        "  -H 'Content-Type: application/yaml' --data-binary @shop.perdure.yaml",
        "GET /definitions": _get("/definitions"),
        "GET /definitions/{reference}": _get("/definitions/shop@1.0.0?format=mermaid"),
        "POST /definitions/{reference}/activate": _post("/definitions/shop@1.0.0/activate"),
        "POST /definitions/{reference}/retire": _post("/definitions/ship@1.0.0/retire")
        + "\n"
        + _post("/definitions/ship@1.0.0/activate"),
        "GET /definitions/{name}/diff": _get("/definitions/shop/diff?from=1.0.0&to=1.0.0"),
        "POST /instances": _post(
            "/instances?wait=10ms",
            '{"workflow": "shop", "id": "s-1", "input": {"amount": 3}, "tags": {"team": "a"}}',
            "-H 'Idempotency-Key: s-1'",
        ),
        "POST /instances:batch": _post(
            "/instances:batch", '[{"workflow": "shop", "id": "s-2"}, {"workflow": "shop", "id": "s-3"}]'
        ),
        "GET /instances": _get("/instances", "-G", "--data-urlencode 'q=workflow:shop created>-1h'"),
        "GET /instances/{id}": _get("/instances/s-1?history=true")
        + "\n"
        + _get("/instances/s-1?fields=id,status"),
        "GET /instances/{id}/history": _get("/instances/s-1/history?type=ExecutionStarted&limit=10")
        + "\n"
        + _get("/instances/s-1/history", "-H 'Accept: application/jsonl'"),
        "GET /instances/{id}/state": _get("/instances/s-1/state"),
        "GET /instances/{id}/payloads/{key}": 'head -c 70000 /dev/zero | tr \'\\0\' x | sed \'s/.*/{"workflow": "ask", '
        '"id": "large", "input": "&"}/\' > large.json\n'
        'curl -sS --fail-with-body "$API/instances" -H "$JSON" -d @large.json > /dev/null\n'
        "until KEY=$(curl -sS \"$API/instances/large/history\" | grep -o -m1 'sha256:[0-9a-f]*'); do sleep 0.1; done\n"
        + _get("/instances/large/payloads/$(echo $KEY | head -n1)", "-o large.value"),
        "GET /instances/{id}/explain": _get("/instances/s-1/explain"),
        "GET /instances/{id}/stats": _get("/instances/s-1/stats"),
        "GET /instances/{id}/queries/{name}": _get("/instances/s-1/queries/amount"),
        "POST /instances/{id}/events/{name}": _post("/instances/s-1/events/Paid", '{"by": "Ada"}'),
        "POST /events/{name}": _post("/events/Packed?start=ship", '{"order": 7}'),
        "POST /instances/{id}/suspend": _post("/instances/s-2/suspend", '{"reason": "out of stock"}'),
        "POST /instances/{id}/resume": _post("/instances/s-2/resume"),
        "POST /instances/{id}/cancel": _post("/instances/s-2/cancel", '{"reason": "ordered twice"}'),
        "POST /instances/{id}/terminate": _post("/instances/s-3/terminate", '{"reason": "stuck"}'),
        "GET /instances/{id}/stream": "timeout 0.3 " + _get("/instances/s-1/stream", "-N") + " || true",
        "GET /stream": "timeout 0.3 "
        + _get("/stream", "-N", "-G", "--data-urlencode 'q=workflow:shop'")
        + " || true",
        "POST /instances/{id}/restart": ENDED.format("s-2") + "\n" + _post("/instances/s-2/restart"),
        "POST /instances/{id}/rewind": ENDED.format("s-3") + "\n" + _post("/instances/s-3/rewind"),
        "POST /instances/{id}/fork": _post("/instances/s-3/fork", '{"step": "paid", "id": "s-3-again"}'),
        "POST /instances/{id}/migrate": _post("/instances/s-3/migrate?dry_run=true", '{"version": "1.0.0"}'),
        "POST /instances/{id}/steps/{step}/resolve": _post(
            "/instances/s-3-again/steps/paid/resolve", '{"output": {"by": "hand"}}'
        ),
        "POST /instances:purge": _post("/instances:purge?dry_run=true&q=status:Terminated"),
        "POST /instances:{verb}": _started("t-1", _post("/instances:terminate?dry_run=true&q=id:t-*"))
        + "\n"
        + _post("/instances:terminate?confirm=1&q=id:t-*", '{"reason": "a test"}'),
        "DELETE /instances/{id}": ENDED.format("t-1")
        + "\n"
        + _get("/instances/t-1?reason=privacy", "-X DELETE"),
        "DELETE /instances": _get("/instances?status=Terminated&older_than=30d", "-X DELETE"),
        "POST /tokens/{token}/complete": "until [ -s token ]; do sleep 0.1; done\n"
        + _post("/tokens/$(head -n1 token)/complete", '{"ok": true}'),
        "POST /tokens/{token}/fail": _started(
            "a-2",
            "until [ $(wc -l < token) -gt 1 ]; do sleep 0.1; done\n"
            + _post("/tokens/$(tail -n1 token)/fail", '{"error": "Declined", "message": "no money"}'),
            "ask",
        ),
        "GET /entities": _get("/entities?name=Stock"),
        "POST /entities/{entity}/{operation}": _post("/entities/Stock@eggs/add?call=true", "12"),
        "GET /entities/{entity}": _get("/entities/Stock@eggs"),
        "DELETE /entities/{entity}": _get("/entities/Stock@eggs", "-X DELETE"),
        "GET /schedules": 'until curl -sS "$API/schedules" | grep -q shop; do sleep 0.1; done\n'
        + _get("/schedules"),
        "GET /schedules/{id}": _get("/schedules/shop"),
        "POST /schedules/{id}/pause": _post("/schedules/shop/pause"),
        "POST /schedules/{id}/resume": _post("/schedules/shop/resume"),
        "POST /schedules/{id}/backfill": _post(
            "/schedules/shop/backfill", '{"begin": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}'
        ),
        "POST /schedules/{id}/trigger": _post("/schedules/shop/trigger"),
        "GET /audit": _get("/audit?action=instance.cancel"),
        "GET /dead-letters": _get("/dead-letters?limit=10"),
        "GET /dead-letters/{number}": _get("/dead-letters/1"),
        "POST /dead-letters/{number}/retry": _started("kept", _post("/dead-letters/1/retry")),
        "POST /dead-letters/{number}/discard": _post("/dead-letters/2/discard"),
        "GET /queues": _get("/queues"),
        "PUT /queues/{name}": _curl("/queues/slow", '{"rate": "10/s"}', "-X PUT"),
        "GET /workers": _get("/workers"),
        "POST /workers/{worker}/drain": """WORKER=$(curl -sS "$API/workers" | sed 's/.*{"id":"\\([^"]*\\)".*/\\1/')\n"""
        + _post("/workers/$WORKER/drain"),
        "GET /livez": _get("/livez"),
        "GET /readyz": _get("/readyz"),
        "GET /version": _get("/version"),
        "GET /stats": _get("/stats"),
        "GET /metrics": _get("/metrics"),
        "GET /openapi.json": _get("/openapi.json", "-o openapi.json"),
        "POST /keys": _post("/keys", '{"name": "ops", "role": "admin", "expires": "90d"}', "-o key.json")
        + '\nKEY=$(sed \'s/.*"secret":"\\([^"]*\\)".*/\\1/\' key.json)',
        "GET /keys": _get("/keys", '-H "Authorization: Bearer $KEY"'),
        "DELETE /keys/{name}": _get("/keys/ops", "-X DELETE", '-H "Authorization: Bearer $KEY"'),
    }
)
