"""Who may do what: every route by every kind of key."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from perdure.engine.access import Role
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server import app as application
from perdure.server.app import create_app
from perdure.server.durabletask import routes as durabletask
from perdure.server.durabletask.parameters import PUBLIC, RPC
from perdure.server.settings import Settings
from tests.server.hub import API, ECHO, given_server, refusal

ROUTES = [
    (method, f"{prefix}{route.path}", role)
    for prefix, routes in ((API, application.ROUTES), (PUBLIC, durabletask.ROUTES))
    for route in routes
    for method, role in route.roles.items()
]
BRIEF = Settings(stream_seconds=0.0)
"""Streams end at once."""
KEYS = ["none", "nonsense", "expired", "revoked", "other hub", "viewer", "operator", "admin"]


@pytest.fixture(scope="module")
def hub() -> Generator[tuple[TestClient, Client, dict[str, str]]]:
    """A server that asks for keys, the client behind it, and one key of each kind."""
    elsewhere = Client(open_store("memory://"))
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        with TestClient(create_app(client, worker, BRIEF), base_url="http://127.0.0.1") as http:
            keys = {role: client.create_key(role, role)["secret"] for role in ("viewer", "operator", "admin")}
            keys["expired"] = client.create_key("expired", "admin", expires=1e-6)["secret"]
            keys["revoked"] = client.create_key("revoked", "admin")["secret"]
            keys["other hub"] = elsewhere.create_key("other", "admin")["secret"]
            keys["nonsense"] = "pdk_nonsense"
            client.revoke_key("revoked")
            yield http, client, keys


def test_every_route_says_who_may_use_it() -> None:
    """One that does not is refused when the application is made."""
    assert len(ROUTES) > 60
    for route in (application.ROUTES[0], durabletask.ROUTES[0]):
        assert None not in route.roles.values()
    with pytest.raises(AssertionError, match="has no role"):
        type(durabletask.ROUTES[0])("GET", "/new", _no_role)  # type: ignore[arg-type]


async def _no_role(request: Request) -> Response:
    return Response()


@pytest.mark.parametrize("kind", KEYS)
def test_every_route_by_every_kind_of_key(hub: tuple[TestClient, Client, dict[str, str]], kind: str) -> None:
    """Only who may is let through; what becomes of the request then is another matter."""
    http, _, keys = hub
    headers = {} if kind == "none" else {"authorization": f"Bearer {keys[kind]}"}
    for method, path, role in ROUTES:
        url = path.replace("{", "x").replace("}", "x")
        status = http.request(method, url, headers=headers).status_code
        if role is None:
            expected = "through"
        elif kind in {"viewer", "operator", "admin"}:
            expected = "through" if Role[kind.upper()] >= role else "403"
        else:
            expected = "401"
        found = str(status) if status in {401, 403} else "through"
        assert found == expected, (method, path, kind, status)


def test_a_hub_without_keys_is_open_to_this_machine() -> None:
    """From the first key on it is not, at once."""
    with given_server(ECHO) as http:
        assert http.get(f"{API}/instances").status_code == 200
        made = http.post(f"{API}/keys", json={"name": "ops", "role": "admin", "expires": "90d"})
        assert made.status_code == 201
        assert refusal(http.get(f"{API}/instances")) == (401, "unauthorized")
        key = {"authorization": f"bearer {made.json()['secret']}"}
        (shown,) = http.get(f"{API}/keys", headers=key).json()["items"]
        assert shown["used_at"]
        assert "secret" not in shown
        assert shown.keys() == made.json().keys() - {"secret"}
        assert http.delete(f"{API}/keys/ops", headers=key).json()["revoked_at"]
        assert refusal(http.get(f"{API}/instances", headers=key)) == (401, "unauthorized")
        assert http.get("/livez").status_code == 200


def test_a_refusal_says_what_would_help(hub: tuple[TestClient, Client, dict[str, str]]) -> None:
    """The challenge of RFC 6750, and the role."""
    http, _, keys = hub
    answer = http.get(f"{API}/instances")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "perdure keys create" in answer.json()["hint"]
    assert refusal(http.get(f"{API}/instances", headers={"authorization": "Basic eA=="})) == (
        401,
        "unauthorized",
    )
    forbidden = http.post(f"{API}/instances", headers={"authorization": f"Bearer {keys['viewer']}"})
    assert refusal(forbidden) == (403, "forbidden")
    assert "viewer" in forbidden.json()["detail"]
    assert "operator" in forbidden.json()["detail"]


def test_what_is_done_with_a_key_is_audited_under_its_name(
    hub: tuple[TestClient, Client, dict[str, str]],
) -> None:
    """And for whom, if the request says so."""
    http, client, keys = hub
    headers = {"authorization": f"Bearer {keys['admin']}", "perdure-actor": "ann"}
    assert http.put(f"{API}/queues/slow", json={"rate": "1/s"}, headers=headers).status_code == 200
    assert client.audit(action="queue.set")["items"][0]["actor"] == "admin for ann"


def test_an_actor_without_a_name_is_refused_beside_a_key(
    hub: tuple[TestClient, Client, dict[str, str]],
) -> None:
    """It was audited as "admin for ", with nobody behind it."""
    http, client, keys = hub
    headers = {"authorization": f"Bearer {keys['admin']}", "perdure-actor": ""}
    answer = http.put(f"{API}/queues/slow", json={"rate": "2/s"}, headers=headers)
    assert refusal(answer) == (422, "invalid_actor")
    assert all(not each["actor"].endswith("for ") for each in client.audit(action="queue.set")["items"])


def test_clients_of_durable_functions_show_a_code(hub: tuple[TestClient, Client, dict[str, str]]) -> None:
    """There alone: in other addresses a key would lie about in logs."""
    http, _, keys = hub
    assert http.get(f"{PUBLIC}/instances", params={"code": keys["viewer"]}).status_code == 200
    refused = http.get(f"{PUBLIC}/instances", params={"code": keys["nonsense"]})
    assert (refused.status_code, "Message" in refused.json()) == (401, True)
    assert http.get(f"{API}/instances", params={"code": keys["viewer"]}).status_code == 401


def test_clients_of_durable_functions_show_a_password(
    hub: tuple[TestClient, Client, dict[str, str]],
) -> None:
    """There alone. Browsers remember passwords, so it excuses no page of another site."""
    http, _, keys = hub
    for kind, status in {"operator": 404, "viewer": 403, "nonsense": 401}.items():
        shown = http.post(f"{RPC}/instances/nobody/suspend", auth=("code", keys[kind]))
        assert shown.status_code == status, kind
    for scrap in ("Basic", "Basic eA==", "Basic \x7f", "Basic Og==", f"Digest {keys['viewer']}"):
        assert http.get(f"{RPC}/instances", headers={"authorization": scrap}).status_code == 401, scrap
    assert http.get(f"{API}/instances", auth=("code", keys["viewer"])).status_code == 401
    page = {"origin": "https://other.example"}
    answer = http.post(f"{RPC}/instances/nobody/suspend", auth=("code", keys["operator"]), headers=page)
    assert answer.status_code == 403


def test_a_key_is_let_in_from_anywhere(hub: tuple[TestClient, Client, dict[str, str]]) -> None:
    """No page of another site knows it, so neither its host nor its origin matters."""
    http, _, keys = hub
    headers = {
        "authorization": f"Bearer {keys['admin']}",
        "host": "hub.example",
        "origin": "https://other.example",
    }
    assert http.get(f"{API}/instances", headers=headers).status_code == 200
    assert refusal(http.get(f"{API}/instances", headers={"host": "hub.example"})) == (400, "foreign_host")


def test_what_is_no_key_excuses_nothing() -> None:
    """A page behind a foreign name shows a header like anybody: it would make itself a key where none is."""
    headers = {"authorization": "Bearer x", "host": "evil.example", "origin": "http://evil.example"}
    with given_server(ECHO) as http:
        body = {"name": "evil", "role": "admin"}
        for path in (f"{API}/instances", f"{API}/version", f"{PUBLIC}/instances"):
            assert http.get(path, headers=headers).status_code == 400, path
        assert refusal(http.post(f"{API}/keys", json=body, headers=headers)) == (400, "foreign_host")
        headers["host"] = "127.0.0.1"
        assert refusal(http.post(f"{API}/keys", json=body, headers=headers)) == (403, "cross_origin")
        assert http.get(f"{API}/keys").json()["items"] == []


def test_a_server_may_ask_for_keys_that_there_are_not() -> None:
    """Then it answers nobody, but the probes."""
    client = Client(open_store("memory://"))
    app = create_app(client, None, Settings(require_keys=True, any_host=True))
    with TestClient(app, base_url="http://hub.example") as http:
        assert refusal(http.get(f"{API}/instances")) == (401, "unauthorized")
        assert http.get(f"{API}/version").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "a b"}, 422, "invalid_name"),
        ({"name": "0123456789ab"}, 422, "invalid_name"),  # It could be another key's id.
        ({"name": "a", "role": "root"}, 422, "invalid"),
        ({"name": "a", "expires": "0s"}, 422, "invalid"),
        ({"name": "a", "expires": "soon"}, 422, "invalid_parameter"),
        ({"name": "a", "rolle": "viewer"}, 422, "unknown_field"),
        ({"name": "taken"}, 409, "conflict"),
    ],
)
def test_a_key_that_cannot_be_made(body: dict[str, Any], status: int, code: str) -> None:
    """And none is."""
    with given_server() as http:
        made = http.post(f"{API}/keys", json={"name": "taken", "role": "admin"}).json()
        key = {"authorization": f"Bearer {made['secret']}"}
        assert refusal(http.post(f"{API}/keys", json=body, headers=key)) == (status, code)
        assert len(http.get(f"{API}/keys", headers=key).json()["items"]) == 1
        assert refusal(http.delete(f"{API}/keys/nobody", headers=key)) == (404, "not_found")


def test_no_secret_is_kept(hub: tuple[TestClient, Client, dict[str, str]]) -> None:
    """Neither in the hub nor in the server's memory."""
    http, client, keys = hub
    secret = keys["admin"]
    assert http.get(f"{API}/keys", headers={"authorization": f"Bearer {secret}"}).status_code == 200
    kept = repr(client.store.api_keys()) + repr(vars(http.app.state.api.gate))  # type: ignore[attr-defined]
    assert secret.rpartition("_")[2] not in kept
