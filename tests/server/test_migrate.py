"""Migration over HTTP."""

from __future__ import annotations

from tests.engine.facts import eventually
from tests.server.hub import API, GATE, YAML, given_instance, given_server, refusal

MORE = GATE.replace("1.0.0", "1.1.0").replace('["${ said }", "${ again }"]', "moved")
OTHER = GATE.replace("1.0.0", "1.2.0").replace("do:", "do:\n- first: { wait: 1h }")


def test_a_running_instance_moves() -> None:
    """202 when it is on its way, 200 for a dry run and where nothing changes, 409 where it cannot."""
    with given_server(GATE) as http:
        path = given_instance(http, "gate", input={})
        eventually(lambda: http.get(f"{path}/explain").json()["items"])
        for source in (MORE, OTHER):
            http.post(f"{API}/definitions?activate=false", content=source, headers=YAML)
        moved = http.post(f"{path}/migrate?dry_run=true", json={"version": "1.1.0"})
        assert (moved.status_code, moved.json()["changed"]) == (200, False)
        assert refusal(http.post(f"{path}/migrate", json={"version": "1.2.0"})) == (409, "not_migratable")
        assert refusal(http.post(f"{path}/migrate", json={"version": "9.0.0"})) == (404, "not_found")
        assert refusal(http.post(f"{path}/migrate", json={})) == (422, "invalid_body")
        assert http.post(f"{path}/migrate", json={"version": "1.1.0"}).status_code == 202
        eventually(lambda: http.get(path).json()["version"] == "1.1.0")
        again = http.post(f"{path}/migrate", json={"version": "1.1.0"})
        assert (again.status_code, again.json()["changed"]) == (200, False)
