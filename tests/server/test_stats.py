"""Counts of the hub, as JSON and for Prometheus."""

from __future__ import annotations

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.facts import eventually
from tests.server.hub import API, ECHO, GATE, ended, given_instance, given_server, refusal

SLOW = """\
dsl: perdure/1
name: slow
version: 1.0.0
do:
- far: { call: Far, queue: nobody-serves }
"""


def test_what_there_is_is_counted() -> None:
    """A queue that nobody serves is seen there, and in the list of queues."""
    with given_server(ECHO, GATE, SLOW) as http:
        empty = http.get(f"{API}/stats").json()
        assert (set(empty["instances"].values()), empty["queues"], empty["timers"]) == ({0}, [], 0)
        ended(http, given_instance(http, "echo"))
        given_instance(http, "gate", input={})
        given_instance(http, "slow")
        given_instance(http, "slow")
        eventually(lambda: http.get(f"{API}/stats").json()["tasks"]["waiting"] == 2)
        found = http.get(f"{API}/stats").json()
        assert found["queues"] == [{"name": "nobody-serves", "waiting": 2}]
        assert {name: count for name, count in found["instances"].items() if count} == {
            "Completed": 1,
            "Running": 3,
        }
        assert (found["workers"], found["slots"]) == (1, {"owned": 256, "of": 256})
        assert found["late_seconds"] >= 0
        (queue,) = http.get(f"{API}/queues").json()["items"]
        assert queue == {"name": "nobody-serves", "rate": None, "workers": 0, "waiting": 2}


def test_the_same_is_there_for_prometheus() -> None:
    """Its own parser reads it, and its numbers are those of the counts."""
    with given_server(ECHO, SLOW) as http:
        ended(http, given_instance(http, "echo"))
        given_instance(http, "slow")
        eventually(lambda: http.get(f"{API}/stats").json()["tasks"]["waiting"] == 1)
        answer = http.get(f"{API}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert samples["perdure_instances", "Completed"] == 1
        assert samples["perdure_instances", "Running"] == 1
        assert samples["perdure_queue_depth", "nobody-serves"] == 1
        assert samples["perdure_slots_owned",] == 256
        assert samples["perdure_sse_clients",] == 0
        assert len({name for name, *_ in samples}) == 12


def test_metrics_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the answer says what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with given_server() as http:
        answer = http.get(f"{API}/metrics")
        assert refusal(answer) == (501, "not_installed")
        assert "perdure[metrics]" in answer.json()["hint"]
