from __future__ import annotations

import math
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.engine.facts import eventually
from tests.server.hub import API, JSON, YAML, ended, given_instance, given_server, refusal

INSTANCES = f"{API}/instances"
FIELDS = (
    "id workflow version digest status reason input output error custom_status tags generation"
    " parent_id created_at started_at updated_at ended_at"
).split()
OPENER = """\
dsl: perdure/1
name: opener
version: 1.0.0
do:
- said: { wait_for_event: Opened, timeout: never }
"""
FAILS = """\
dsl: perdure/1
name: fails
version: 1.0.0
do:
- raise: { error: Broken, message: it broke }
"""


def start(http: TestClient, key: str | None = None, **body: Any) -> Any:
    """The answer to a start with this body and idempotency key."""
    headers = {} if key is None else {"idempotency-key": key}
    return http.post(INSTANCES, json=body, headers=headers)


# start ------------------------------------------------------------------------------------------


def test_a_start_says_where_the_instance_is(http: TestClient) -> None:
    """A start is 201 with the path of the new instance."""
    answer = start(http, workflow="echo", id="order 1%")
    assert (answer.status_code, answer.headers["location"]) == (201, f"{INSTANCES}/order%201%25")


def test_an_instance_has_every_field(http: TestClient) -> None:
    """The document of an instance has all its fields, absent values as null."""
    document = ended(http, given_instance(http, "echo@1.0.0", input={"a": [1, None]}, tags={"team": "x"}))
    assert list(document) == FIELDS
    assert document["output"] == {"a": [1, None]}


def test_a_start_may_wait_for_the_end(http: TestClient) -> None:
    """With ``wait``, a start is 200 with the output when the instance has ended in time."""
    answer = http.post(f"{INSTANCES}?wait=60s", json={"workflow": "echo", "input": 7})
    assert (answer.status_code, answer.json()["output"]) == (200, 7)


def test_a_wait_of_a_start_may_pass(http: TestClient) -> None:
    """With ``wait``, a start is 202 when the instance has not ended in that time."""
    answer = http.post(f"{INSTANCES}?wait=1ms", json={"workflow": "gate", "input": {}})
    assert answer.status_code == 202
    assert answer.headers["location"].startswith(INSTANCES)


def test_a_failed_instance_shows_its_error() -> None:
    """An instance that failed shows the whole error object."""
    with given_server(FAILS) as http:
        error = ended(http, given_instance(http, "fails"))["error"]
    assert (error["type"], error["message"]) == ("Broken", "it broke")


def test_an_unknown_workflow_is_not_found(http: TestClient) -> None:
    """Starting what is not deployed is 404."""
    assert refusal(start(http, workflow="nothing")) == (404, "not_found")


def test_an_id_is_used_once(http: TestClient) -> None:
    """A start with an id in use is 409."""
    start(http, workflow="echo", id="one")
    assert refusal(start(http, workflow="echo", id="one"))[0] == 409


def test_an_input_fits_its_schema(http: TestClient) -> None:
    """An input that its schema does not allow is 422."""
    assert refusal(start(http, workflow="gate", input={"limit": "many"})) == (422, "schema")


@pytest.mark.parametrize(
    "id",
    ["", "a/b", "a\\b", "a#b", "a?b", "@a", "a\u0000b", "a\nb", "x" * 257],
    ids=["empty", "slash", "backslash", "hash", "question", "at", "nul", "line end", "long"],
)
def test_ids_that_break_paths_are_refused(http: TestClient, id: str) -> None:
    """An id that could not stand in a path is 422."""
    assert refusal(start(http, workflow="echo", id=id)) == (422, "invalid_id")


def test_an_unknown_field_is_refused_with_the_nearest(http: TestClient) -> None:
    """A misspelt field is 422 with the right spelling."""
    answer = start(http, worflow="echo")
    assert refusal(answer) == (422, "unknown_field")
    assert answer.json()["hint"] == "did you mean 'workflow'?"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"workflow": 1},
        {"workflow": "echo", "tags": {"a": 1}},
        {"workflow": "echo", "id": []},
        [],
        1,
    ],
    ids=str,
)
def test_a_body_of_the_wrong_shape_is_refused(http: TestClient, body: Any) -> None:
    """Missing fields and wrong types are 422."""
    assert refusal(http.post(INSTANCES, json=body)) == (422, "invalid_body")


# idempotency ------------------------------------------------------------------------------------


def test_a_repeated_start_gives_the_first_answer(http: TestClient) -> None:
    """The same key with the same body starts one instance, and answers with it each time."""
    first, second = (start(http, key="k", workflow="echo", input=1) for _ in range(2))
    assert (first.json()["id"], second.status_code) == (second.json()["id"], 201)


def test_a_key_belongs_to_one_body(http: TestClient) -> None:
    """The same key with another body is 409."""
    start(http, key="k", workflow="echo", input=1)
    assert refusal(start(http, key="k", workflow="echo", input=2)) == (409, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
def test_a_key_is_short_and_plain(http: TestClient, key: str) -> None:
    """A key that is empty, long or not ASCII is 422."""
    answer = http.post(INSTANCES, json={}, headers={b"idempotency-key": key.encode("latin-1")})
    assert refusal(answer) == (422, "invalid_key")


def test_two_keys_are_none(http: TestClient) -> None:
    """Of two headers nobody says which one makes it repeatable: 422, and nothing is started."""
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = http.post(INSTANCES, json={"workflow": "echo", "id": "twice"}, headers=keys)
    assert refusal(answer) == (422, "invalid_key")
    assert http.get(f"{INSTANCES}/twice").status_code == 404


def test_a_repeated_event_is_delivered_once(http: TestClient) -> None:
    """An event sent twice under one key is consumed once: the second wait gets the next event."""
    path = given_instance(http, "gate", input={})
    for key, payload in [("1", "a"), ("1", "a"), ("2", "b")]:
        http.post(f"{path}/events/Opened", json=payload, headers={"idempotency-key": key})
    assert ended(http, path)["output"] == ["a", "b"]


def test_an_event_key_belongs_to_one_payload(http: TestClient) -> None:
    """The same key with another payload is 409."""
    path = given_instance(http, "gate", input={})
    http.post(f"{path}/events/Opened", json="a", headers={"idempotency-key": "1"})
    answer = http.post(f"{path}/events/Opened", json="b", headers={"idempotency-key": "1"})
    assert refusal(answer) == (409, "idempotency_conflict")


# list -------------------------------------------------------------------------------------------


def test_instances_are_listed_newest_first(http: TestClient) -> None:
    """The list shows the newest instance first, without its payloads."""
    for name in "ab":
        ended(http, given_instance(http, "echo", id=name))
    items = http.get(INSTANCES).json()["items"]
    assert [each["id"] for each in items] == ["b", "a"]
    assert "input" not in items[0]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("status=Completed", ["done"]),
        ("status=Completed&status=running", ["done", "open"]),
        ("name=gate", ["open"]),
        ("tag=team:a", ["done", "open"]),
        ("tag=team:a&tag=kind:x:y", ["done"]),
        ("tag=team:b", []),
    ],
)
def test_filters_narrow_the_list(http: TestClient, query: str, ids: list[str]) -> None:
    """Statuses add up, a name and tags narrow."""
    ended(http, given_instance(http, "echo", id="done", tags={"team": "a", "kind": "x:y"}))
    path = given_instance(http, "gate", id="open", input={}, tags={"team": "a"})
    http.post(f"{path}/events/Opened", json="seen")
    eventually(lambda: http.get(path).json()["status"] == "Running")
    items = http.get(f"{INSTANCES}?{query}").json()["items"]
    assert sorted(each["id"] for each in items) == ids


def test_a_cursor_leads_through_all_pages(http: TestClient) -> None:
    """Following ``next`` shows every instance once."""
    for name in "abcde":
        given_instance(http, "echo", id=name)
    seen, query = [], {"limit": "2"}
    while True:
        page = http.get(INSTANCES, params=query).json()
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == list("edcba")


def test_a_query_and_an_order(http: TestClient) -> None:
    """``q`` and ``sort`` mean what they mean on the command line."""
    for name in "abc":
        given_instance(http, "gate", input={}, id=name, tags={"team": "x" if name < "c" else "y"})
    found = http.get(
        INSTANCES, params={"q": "status:Running,Pending -tag.team:y created>-1d", "sort": "id:asc"}
    )
    assert [each["id"] for each in found.json()["items"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("q=state:failed", "invalid_query"),
        ("sort=name", "invalid_order"),
        ("limit=0", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("limit=-1", "invalid_parameter"),
        ("limit=1e2", "invalid_parameter"),
        ("limit=%D9%A3", "invalid_parameter"),
        ("limit=1&limit=2", "invalid_parameter"),
        ("tag=team", "invalid_parameter"),
        ("tag=a:1&tag=a:2", "invalid_parameter"),
        ("status=Done", "invalid"),
        ("cursor=nonsense", "invalid_cursor"),
        ("cursor=%FF%00", "invalid_cursor"),
        ("statuss=Failed", "unknown_parameter"),
    ],
)
def test_a_query_is_read_strictly(http: TestClient, query: str, code: str) -> None:
    """A parameter that is unknown, unsupported or out of bounds is 422."""
    assert refusal(http.get(f"{INSTANCES}?{query}")) == (422, code)


# one --------------------------------------------------------------------------------------------


def test_a_wait_may_pass(http: TestClient) -> None:
    """Looking with ``wait`` is 200 with the instance as it is when that time has passed."""
    answer = http.get(given_instance(http, "gate", input={}), params={"wait": "1ms"})
    assert (answer.status_code, answer.json()["ended_at"]) == (200, None)


@pytest.mark.parametrize("wait", ["30", "soon", "-1s", "301s", "", "never"])
def test_a_wait_is_a_short_duration(http: TestClient, wait: str) -> None:
    """A wait without unit, or longer than one request may take, is 422."""
    answer = http.get(f"{INSTANCES}/any", params={"wait": wait})
    assert refusal(answer) == (422, "invalid_parameter")


def test_history_comes_along(http: TestClient) -> None:
    """``history=true`` adds the first page of the history."""
    path = given_instance(http, "echo")
    document = http.get(path, params={"wait": "60s", "history": "true"}).json()
    assert [each["type"] for each in document["history"]["items"]] == [
        "ExecutionStarted",
        "ExecutionCompleted",
    ]


def test_history_is_read_in_pages(http: TestClient) -> None:
    """Following ``next`` through a history shows every event once, in order."""
    path = given_instance(http, "gate", input={})
    for payload in "ab":
        http.post(f"{path}/events/Opened", json=payload)
    ended(http, path)
    seen, query = [], {"limit": "1"}
    while True:
        page = http.get(f"{path}/history", params=query).json()
        seen += [each["seq"] for each in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == list(range(len(seen)))


def test_a_large_value_is_fetched_by_its_key(http: TestClient) -> None:
    """A page shows what is over 64 KiB as a key, under which the value is given."""
    value = "x" * 70_000
    path = given_instance(http, "echo", input=value)
    assert ended(http, path)["output"] == value
    started, done = http.get(f"{path}/history").json()["items"]
    assert (started["input"], done["output"]) == (None, None)
    assert started["stored"]["input"] == done["stored"]["output"]
    assert http.get(f"{path}/payloads/{started['stored']['input']}").json() == value


@pytest.mark.parametrize("key", ["input", "sha256:0", "sha256:" + "0" * 64])
def test_an_unknown_key_is_not_found(http: TestClient, key: str) -> None:
    """Only what a history shows is there."""
    assert refusal(http.get(f"{given_instance(http, 'echo')}/payloads/{key}"))[0] == 404


@pytest.mark.parametrize("query", ["generation=0", "limit=1001", "typ=TaskFailed", "cursor=x"])
def test_a_history_query_is_read_strictly(http: TestClient, query: str) -> None:
    """What the history cannot be asked is 422."""
    assert refusal(http.get(f"{given_instance(http, 'echo')}/history?{query}"))[0] == 422


def test_explain_says_what_it_waits_for(http: TestClient) -> None:
    """``explain`` names the event that an instance waits for, and where in the file."""
    path = given_instance(http, "gate", input={})
    eventually(lambda: http.get(f"{path}/explain").json()["items"])
    items = http.get(f"{path}/explain").json()["items"]
    assert (items[0]["kind"], items[0]["name"], items[0]["step"]) == ("event", "Opened", "said")


@pytest.mark.parametrize("rest", ["", "/history", "/explain", "?wait=1s"])
@pytest.mark.parametrize("id", ["nothing", "%00", "a%2Fb", "x" * 3000, "%F0%9F%90%8D"])
def test_an_unknown_id_is_not_found(http: TestClient, id: str, rest: str) -> None:
    """Whatever an id looks like, one that nobody has is 404."""
    assert refusal(http.get(f"{INSTANCES}/{id}{rest}")) == (404, "not_found")


def test_an_id_is_percent_encoded_text(http: TestClient) -> None:
    """A path that decodes to no text is 400."""
    assert refusal(http.get(f"{INSTANCES}/%FF")) == (400, "bad_path")


# events -----------------------------------------------------------------------------------------


def test_an_event_is_accepted(http: TestClient) -> None:
    """An event is 202; without a body its payload is null."""
    path = given_instance(http, "gate", input={})
    assert http.post(f"{path}/events/Opened").status_code == 202
    http.post(f"{path}/events/Opened", json="b")
    assert ended(http, path)["output"] == [None, "b"]


@pytest.mark.parametrize("verb", ["events/Opened", "suspend", "resume", "cancel", "terminate"])
def test_nobody_hears_what_is_said_to_nobody(http: TestClient, verb: str) -> None:
    """An event or a change for an unknown instance is 404."""
    assert refusal(http.post(f"{INSTANCES}/nothing/{verb}")) == (404, "not_found")


@pytest.mark.parametrize("verb", ["events/Opened", "suspend", "resume", "cancel", "terminate"])
def test_nobody_hears_what_is_said_after_the_end(http: TestClient, verb: str) -> None:
    """An event or a change for an instance that has ended is 410."""
    path = given_instance(http, "echo")
    ended(http, path)
    assert refusal(http.post(f"{path}/{verb}")) == (410, "ended")


def test_a_payload_fits_its_schema(http: TestClient) -> None:
    """A payload that the event's schema does not allow is 422, and the instance never sees it."""
    path = given_instance(http, "gate", input={})
    assert refusal(http.post(f"{path}/events/Opened", json=5)) == (422, "schema")


def test_a_payload_is_json_by_name(http: TestClient) -> None:
    """A payload without the content type of JSON is 415."""
    path = given_instance(http, "gate", input={})
    assert refusal(http.post(f"{path}/events/Opened", content=b"5")) == (415, "media_type")


# suspend, resume, cancel, terminate -----------------------------------------------------------------------


def test_suspend_and_resume_change_something_once(http: TestClient) -> None:
    """A change is 202; where nothing is to change it is 200."""
    path = given_instance(http, "gate", input={})

    def twice(verb: str, status: str) -> list[int]:
        first = http.post(f"{path}/{verb}", json={"reason": "a look"}).status_code
        eventually(lambda: http.get(path).json()["status"] == status)
        return [first, http.post(f"{path}/{verb}").status_code]

    assert [twice("suspend", "Suspended"), twice("resume", "Running")] == [[202, 200], [202, 200]]


def test_terminate_ends_an_instance(http: TestClient) -> None:
    """Terminate is 202, and the instance ends with the reason."""
    path = given_instance(http, "gate", input={})
    assert http.post(f"{path}/terminate", json={"reason": "enough"}).json() == {"changed": True}
    document = ended(http, path)
    assert (document["status"], document["reason"]) == ("Terminated", "enough")


def test_cancel_ends_an_instance(http: TestClient) -> None:
    """Cancel is 202, and the instance ends with the reason and an error."""
    path = given_instance(http, "gate", input={})
    sent = http.post(f"{path}/cancel", json={"reason": "enough"})
    assert (sent.status_code, sent.json()) == (202, {"changed": True})
    document = ended(http, path)
    assert (document["status"], document["reason"]) == ("Canceled", "enough")
    assert document["error"]["type"] == "perdure.Canceled"


@pytest.mark.parametrize("body", [{"reson": "x"}, {"reason": 1}, [], "x"], ids=str)
def test_a_reason_is_a_text(http: TestClient, body: Any) -> None:
    """A body that is more than a reason is 422."""
    path = given_instance(http, "gate", input={})
    assert refusal(http.post(f"{path}/terminate", json=body))[0] == 422


# hostile bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        0,
        -1,
        2**63,
        -(2**63),
        1e308,
        0.1,
        "",
        "\u0000",
        "\U0001f40d",
        True,
        None,
        [],
        {},
        {"": {"\u0000": []}},
    ],
    ids=repr,
)
def test_values_come_back_as_they_were(http: TestClient, payload: Any) -> None:
    """Every JSON value survives the way in and out."""
    assert ended(http, given_instance(http, "echo", input=payload))["output"] == payload


def test_floats_stay_floats(http: TestClient) -> None:
    """A number written with a fraction stays a float, the sign of zero included."""
    answer = http.post(f"{INSTANCES}?wait=60s", content=b'{"workflow":"echo","input":-0.0}', headers=JSON)
    assert math.copysign(1, answer.json()["output"]) == -1


def test_a_payload_nests_so_deep(http: TestClient) -> None:
    """A payload deeper than 64 levels is 422, and so is nothing that is not."""
    deep = "[" * 65 + "]" * 65
    body = f'{{"workflow":"echo","input":{deep}}}'.encode()
    assert http.post(INSTANCES, content=body, headers=JSON).status_code == 422


def test_an_event_that_nobody_can_await_is_refused(http: TestClient) -> None:
    """A mistyped name is told at once, with the names that the workflow knows."""
    path = given_instance(http, "gate", input={})
    answer = http.post(f"{path}/events/Opend")
    assert refusal(answer) == (422, "unknown_event")
    assert "Opened" in answer.json()["hint"]


# ids in use, events with a start, starts for later ------------------------------------------------


def test_an_id_in_use_may_be_reused(http: TestClient) -> None:
    """The answer is the instance that is there."""
    start(http, workflow="gate", id="one", input={"limit": 1})
    again = start(http, workflow="gate", id="one", input={"limit": 2}, if_exists="reuse")
    assert (again.status_code, again.json()["input"]) == (201, {"limit": 1})


def test_an_ended_instance_may_be_replaced(http: TestClient) -> None:
    """Its id is used again; one that has not ended stays."""
    ended(http, given_instance(http, "echo", id="one", input=1))
    assert start(http, workflow="gate", id="one", input={}, if_exists="replace_ended").status_code == 201
    assert refusal(start(http, workflow="gate", id="one", input={}, if_exists="replace_ended"))[0] == 409


def test_an_event_comes_with_the_start(http: TestClient) -> None:
    """The first request starts the instance, the second one finds it, the third one nobody."""
    for payload in ("a", "b"):
        event = {"name": "Opened", "payload": payload}
        start(http, workflow="gate", id="one", input={}, if_exists="reuse", event=event)
    assert ended(http, f"{INSTANCES}/one")["output"] == ["a", "b"]
    late = start(http, workflow="gate", id="one", input={}, if_exists="reuse", event={"name": "Opened"})
    assert refusal(late) == (410, "ended")


def test_a_start_may_be_for_later(http: TestClient) -> None:
    """It is pending until its time has come."""
    path = given_instance(http, "echo", delay="1h")
    given_instance(http, "echo", start_at="2999-01-01T00:00:00Z")
    assert http.get(path, params={"wait": "10ms"}).json()["status"] == "Pending"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"if_exists": "replace"}, "invalid"),
        ({"start_at": "soon"}, "invalid_time"),
        ({"delay": "5"}, "invalid_parameter"),
        ({"delay": "5s", "start_at": "2999-01-01T00:00:00Z"}, "invalid"),
        ({"event": {"name": "Closed"}}, "unknown_event"),
        ({"event": {"name": "Opened", "payload": 1}}, "schema"),
        ({"event": {"name": "Opened", "value": 1}}, "invalid_body"),
    ],
)
def test_a_start_says_clearly_what_it_means(http: TestClient, body: dict[str, Any], code: str) -> None:
    """Everything else is 422."""
    assert refusal(start(http, workflow="gate", input={}, **body)) == (422, code)


def test_an_event_that_nobody_waits_for_may_start_a_workflow(http: TestClient) -> None:
    """The answer has the id of the new instance, which gets the event."""
    assert refusal(http.post(f"{API}/events/Opened", json=None))[0] == 404
    http.post(f"{API}/definitions", content=OPENER, headers=YAML)
    answer = http.post(f"{API}/events/Opened", params={"start": "opener"}, json="x")
    assert answer.status_code == 202
    (id_,) = answer.json()["ids"]
    assert ended(http, f"{INSTANCES}/{id_}")["input"] == "x"


def test_no_tags_are_no_tags_however_that_is_said(http: TestClient) -> None:
    """A start that is repeated under its key may leave them out, or say that there are none."""
    key = {"idempotency-key": "k1"}
    bodies = [{"workflow": "gate", "input": {}}, {"workflow": "gate", "input": {}, "tags": {}}]
    answers = [http.post(INSTANCES, json=body, headers=key) for body in bodies]
    client = http.app.state.api.client  # type: ignore[attr-defined]
    again = client.start("gate", {}, request_key="k1")
    assert {answers[0].json()["id"], answers[1].json()["id"]} == {again["id"]}
