"""Every route of Durable Functions' API, under both prefixes, as its page describes them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from perdure.server.durabletask.routes import ROUTES
from tests.engine.facts import eventually
from tests.server.durabletask.definitions import COUNTER, GREET, say
from tests.server.hub import API, JSON, given_server

PUBLIC, RPC = "/runtime/webhooks/durabletask", "/durabletask"
STATUS_KEYS = {
    "name",
    "instanceId",
    "runtimeStatus",
    "input",
    "customStatus",
    "output",
    "createdTime",
    "lastUpdatedTime",
}


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server with the workflow and the entity."""
    with given_server(GREET, COUNTER, Say=say) as client:
        yield client


@pytest.fixture(params=[PUBLIC, RPC])
def prefix(request: pytest.FixtureRequest) -> str:
    """Each prefix in turn."""
    found: str = request.param
    return found


def ended(http: TestClient, instance_id: str) -> dict[str, Any]:
    """Wait until an instance has ended, by our own API, and return what theirs says of it."""
    assert http.get(f"{API}/instances/{instance_id}?wait=60s").json()["ended_at"]
    body: dict[str, Any] = http.get(f"{PUBLIC}/instances/{instance_id}").json()
    return body


def waiting(http: TestClient, instance_id: str, value: Any = "x", prefix: str = PUBLIC) -> None:
    """An instance that waits for its event: what comes before has happened."""
    assert http.post(f"{prefix}/orchestrators/Greet/{instance_id}", json=value).status_code == 202
    eventually(
        lambda: http.get(f"{API}/instances/{instance_id}/explain").json()["items"][0]["kind"] == "event"
    )


def test_a_start_answers_with_links_that_work(http: TestClient, prefix: str) -> None:
    """Always under the public prefix, with what the request said of hub, connection and key."""
    answer = http.post(f"{prefix}/orchestrators/Greet/a%20b?taskHub=h&connection=c&code=k%2B1", json={"a": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "10")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    links = answer.json()
    assert list(links) == [
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "purgeHistoryDeleteUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
    ]
    assert links["id"] == "a b"
    assert answer.headers["location"] == links["statusQueryGetUri"]
    for link in list(links.values())[1:]:
        assert link.startswith(f"http://127.0.0.1{PUBLIC}/instances/a%20b"), link
        query = parse_qs(urlsplit(link).query)
        assert (query["taskHub"], query["connection"], query["code"]) == (["h"], ["c"], ["k+1"])
    event = links["sendEventPostUri"].replace("{eventName}", "go")
    assert http.post(event, json=[1]).status_code == 202
    assert ended(http, "a b")["output"] == {"said": "hi {'a': 1}", "went": [1]}
    assert http.delete(links["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    assert http.get(links["statusQueryGetUri"]).status_code == 404


def test_an_id_is_made_up_when_there_is_none(http: TestClient, prefix: str) -> None:
    """32 hex digits."""
    made = http.post(f"{prefix}/orchestrators/Greet").json()["id"]
    assert len(made) == 32
    assert int(made, 16)


def test_no_body_is_null(http: TestClient, prefix: str) -> None:
    """As the clients send it."""
    http.post(f"{prefix}/orchestrators/Greet/n")
    assert http.get(f"{prefix}/instances/n").json()["input"] is None


@pytest.mark.parametrize(
    ("body", "public", "rpc"),
    [
        ('"{\\"a\\": 1}"', '{"a": 1}', {"a": 1}),
        ('"null"', "null", None),
        ('"no json"', "no json", "no json"),
        ('{"a": "1"}', {"a": "1"}, {"a": "1"}),
        ('"\\"text\\""', '"text"', "text"),
    ],
)
def test_json_in_a_string_is_what_the_python_client_means(
    http: TestClient, body: str, public: Any, rpc: Any
) -> None:
    """Under its prefix, and nowhere else."""
    for prefix, value in ((PUBLIC, public), (RPC, rpc)):
        made = http.post(f"{prefix}/orchestrators/Greet", content=body, headers=JSON)
        assert http.get(f"{prefix}/instances/{made.json()['id']}").json()["input"] == value


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("orchestrators/Nope", "there is no definition 'Nope'"),
        ("orchestrators/Greet?version=9.9.9", "9.9.9"),
        ("orchestrators/Greet/@x", "id"),
        ("orchestrators/Greet/a%2Fb", "id"),
        ("orchestrators/Greet?timeout=1&pollingInterval=2", "bigger"),
    ],
)
def test_a_start_that_cannot_be(http: TestClient, prefix: str, path: str, message: str) -> None:
    """400, with the text that the Python client shows."""
    answer = http.post(f"{prefix}/{path}", json=1)
    assert answer.status_code == 400
    assert set(answer.json()) == {"Message", "ExceptionMessage", "ExceptionType", "StackTrace"}
    assert message in answer.json()["ExceptionMessage"]


def test_broken_json_is_refused(http: TestClient, prefix: str) -> None:
    """400, and nothing is started."""
    answer = http.post(f"{prefix}/orchestrators/Greet/broken", content=b"{")
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid JSON content")
    assert http.get(f"{prefix}/instances/broken").status_code == 404


def test_an_id_in_use(http: TestClient, prefix: str) -> None:
    """409 while it has not ended; what has ended is replaced."""
    waiting(http, "i", 1)
    answer = http.post(f"{prefix}/orchestrators/Greet/i", json=2)
    assert answer.status_code == 409
    message = "An Orchestration instance with the status Running already exists."
    assert answer.json()["ExceptionMessage"] == message
    http.post(f"{prefix}/instances/i/terminate?reason=enough")
    assert ended(http, "i")["input"] == 1
    assert http.post(f"{prefix}/orchestrators/Greet/i", json=2).status_code == 202
    assert http.get(f"{prefix}/instances/i").json()["input"] == 2


def test_a_start_that_waits(http: TestClient, prefix: str) -> None:
    """The output alone when it completed; the status when it ended otherwise; links when time has passed."""
    wait = "timeout=0.05&pollingInterval=0.01"
    assert set(http.post(f"{prefix}/orchestrators/Greet/w?{wait}", json=1).json()) > {"statusQueryGetUri"}
    bad = http.post(f"{prefix}/orchestrators/Greet/bad?timeout=60&pollingInterval=1", json="bad")
    assert (bad.status_code, bad.json()["runtimeStatus"]) == (200, "Failed")
    bad = http.post(
        f"{prefix}/orchestrators/Greet?timeout=60&pollingInterval=1&returnInternalServerErrorOnFailure=True",
        json="bad",
    )
    assert (bad.status_code, bad.json()["output"]) == (500, "ValueError: it is bad")


def test_the_status_of_one_that_has_not_ended(http: TestClient, prefix: str) -> None:
    """202, with where to ask again; every key is there."""
    waiting(http, "i", {"a": [1]})
    answer = http.get(f"{prefix}/instances/i")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "5")
    assert answer.headers["location"] == f"http://127.0.0.1{prefix}/instances/i"
    body = answer.json()
    assert set(body) == STATUS_KEYS
    assert len(body["createdTime"]) == len("2024-05-01T10:20:30Z")
    del body["createdTime"], body["lastUpdatedTime"]
    assert body == {
        "name": "Greet",
        "instanceId": "i",
        "runtimeStatus": "Running",
        "input": {"a": [1]},
        "customStatus": {"step": "begun"},
        "output": None,
    }
    assert http.get(f"{prefix}/instances/i?showInput=False").json()["input"] is None
    assert http.get(f"{prefix}/instances/i?showInput=what").json()["input"] == {"a": [1]}


def test_the_status_of_what_has_ended(http: TestClient, prefix: str) -> None:
    """200; a reason or an error's text is the output of what did not complete."""
    http.post(f"{prefix}/orchestrators/Greet/failed", json="bad")
    assert ended(http, "failed")["output"] == "ValueError: it is bad"
    answer = http.get(f"{prefix}/instances/failed")
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    as_500 = http.get(f"{prefix}/instances/failed?returnInternalServerErrorOnFailure=true")
    assert (as_500.status_code, as_500.json()) == (500, answer.json())
    waiting(http, "ended")
    http.post(f"{prefix}/instances/ended/terminate?reason=a%20reason")
    assert ended(http, "ended")["output"] == "a reason"


def test_a_history(http: TestClient, prefix: str) -> None:
    """What was answered is merged with its answer, under both names that clients look for."""
    waiting(http, "i", {"a": 1})
    http.post(f"{prefix}/instances/i/raiseEvent/go", json={"b": 2})
    ended(http, "i")
    path = f"{prefix}/instances/i?showHistory=true"
    assert "historyEvents" not in http.get(f"{prefix}/instances/i").json()
    body = http.get(f"{path}&showHistoryOutput=true").json()
    assert body["history"] == body["historyEvents"]
    shown = [{k: v for k, v in each.items() if k != "Timestamp"} for each in body["historyEvents"]]
    scheduled = shown[1].pop("ScheduledTime")
    assert scheduled.endswith("Z")
    assert shown == [
        {
            "EventType": "ExecutionStarted",
            "FunctionName": "Greet",
            "Correlation": None,
            "ScheduledStartTime": None,
            "Generation": 1,
            "Input": '{"a":1}',
        },
        {"EventType": "TaskCompleted", "FunctionName": "Say", "Input": '{"a":1}', "Result": "hi {'a': 1}"},
        {"EventType": "EventRaised", "Name": "go", "Input": '{"b":2}'},
        {
            "EventType": "ExecutionCompleted",
            "OrchestrationStatus": "Completed",
            "Result": {"said": "hi {'a': 1}", "went": {"b": 2}},
        },
    ]
    without = http.get(f"{path}&showInput=false").json()["historyEvents"]
    assert not any("Input" in each or "Result" in each for each in without)


def test_a_failure_in_a_history(http: TestClient, prefix: str) -> None:
    """With its kind and text."""
    http.post(f"{prefix}/orchestrators/Greet/i", json="bad")
    ended(http, "i")
    events = http.get(f"{prefix}/instances/i?showHistory=true").json()["historyEvents"]
    (failed,) = [each for each in events if each["EventType"] == "TaskFailed"]
    assert (failed["FunctionName"], failed["Reason"]) == ("Say", "it is bad")
    assert failed["FailureDetails"]["ErrorType"] == "ValueError"
    assert events[-1]["FailureDetails"]["ErrorMessage"] == "it is bad"
    assert "StackTrace" in events[-1]["FailureDetails"]


def test_large_values_stand_in_a_history(http: TestClient, prefix: str) -> None:
    """Also those that are kept apart."""
    large = "x" * 200_000
    waiting(http, "i", large)
    (started, *_) = http.get(f"{prefix}/instances/i?showHistory=true").json()["historyEvents"]
    assert started["Input"] == f'"{large}"'


def test_pages_of_a_list(http: TestClient, prefix: str) -> None:
    """The token of the next page is in a header, and empty on the last."""
    for number in range(5):
        waiting(http, f"p-{number}")
    seen: list[str] = []
    token = ""
    for size in (2, 2, 1):
        answer = http.get(f"{prefix}/instances?top=2", headers={"x-ms-continuation-token": token})
        assert answer.status_code == 200
        assert len(answer.json()) == size
        assert all(set(each) == STATUS_KEYS for each in answer.json())
        seen += [each["instanceId"] for each in answer.json()]
        token = answer.headers["x-ms-continuation-token"]
        assert bool(token) == (size == 2 and len(seen) < 5)
    assert sorted(seen) == [f"p-{number}" for number in range(5)]


def test_a_list_by_filter(http: TestClient, prefix: str) -> None:
    """By statuses with commas or repeated, a prefix of the id, when it was made. Unknown names are none."""
    waiting(http, "a-1")
    waiting(http, "b-1")
    http.post(f"{prefix}/orchestrators/Greet/a-2", json="bad")
    ended(http, "a-2")

    def ids(query: str) -> list[str]:
        found = http.get(f"{prefix}/instances?{query}")
        assert found.status_code == 200
        return sorted(each["instanceId"] for each in found.json())

    assert ids("") == ["a-1", "a-2", "b-1"]
    assert ids("runtimeStatus=Failed,Completed") == ["a-2"]
    assert ids("runtimeStatus=failed&runtimeStatus=Running") == ["a-1", "a-2", "b-1"]
    assert ids("runtimeStatus=Nothing") == []
    assert ids("instanceIdPrefix=a-") == ["a-1", "a-2"]
    assert ids("createdTimeFrom=2000-01-01T00:00:00.123456Z&createdTimeTo=2001-01-01T00:00:00Z") == []
    assert ids("createdTimeFrom=2000-01-01T00:00:00.123Z") == ["a-1", "a-2", "b-1"]
    assert ids("createdTimeFrom=nonsense&top=nonsense&what=ever") == ["a-1", "a-2", "b-1"]


def test_raising_an_event(http: TestClient, prefix: str) -> None:
    """404 before 410, 410 before the content type, that before the JSON."""
    path = f"{prefix}/instances/i/raiseEvent/go"
    assert (http.post(path, content=b"{").status_code, http.post(path).content) == (404, b"")
    waiting(http, "i")
    refused = http.post(path, content=b"1", headers={"content-type": "text/plain"})
    assert (refused.status_code, refused.json()) == (
        400,
        {"Message": "Only application/json request content is supported"},
    )
    broken = http.post(path, content=b"{", headers=JSON)
    assert (broken.status_code, broken.json()["Message"]) == (400, "Invalid JSON content")
    sent = http.post(path, json={"x": 1})
    assert (sent.status_code, sent.content) == (202, b"")
    assert ended(http, "i")["output"]["went"] == {"x": 1}
    assert (http.post(path, content=b"{").status_code, http.post(path, json=1).content) == (410, b"")


@pytest.mark.parametrize("verb", ["suspend", "resume", "terminate", "rewind"])
def test_a_verb_for_nobody(http: TestClient, prefix: str, verb: str) -> None:
    """404, empty."""
    answer = http.post(f"{prefix}/instances/nobody/{verb}?reason=x")
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("verb", ["suspend", "resume", "terminate"])
def test_a_verb_for_what_has_ended(http: TestClient, prefix: str, verb: str) -> None:
    """410, empty."""
    http.post(f"{prefix}/orchestrators/Greet/i", json="bad")
    ended(http, "i")
    answer = http.post(f"{prefix}/instances/i/{verb}?reason=x")
    assert (answer.status_code, answer.content) == (410, b"")


def test_suspend_and_resume(http: TestClient, prefix: str) -> None:
    """Each twice is once; an event to a suspended instance is kept."""
    waiting(http, "i")
    assert http.post(f"{prefix}/instances/i/resume").status_code == 202
    for _ in range(2):
        assert http.post(f"{prefix}/instances/i/suspend?reason=why").status_code == 202
    eventually(lambda: http.get(f"{prefix}/instances/i").json()["runtimeStatus"] == "Suspended")
    assert http.get(f"{prefix}/instances/i").status_code == 202
    assert http.post(f"{prefix}/instances/i/raiseEvent/go", json=7).status_code == 202
    assert http.post(f"{prefix}/instances/i/resume").status_code == 202
    assert ended(http, "i")["output"]["went"] == 7
    events = http.get(f"{prefix}/instances/i?showHistory=true").json()["historyEvents"]
    reasons = [(each["EventType"], each.get("Reason")) for each in events if "pended" in each["EventType"]]
    assert reasons[0] == ("ExecutionSuspended", "why")


def test_terminating_what_is_suspended(http: TestClient, prefix: str) -> None:
    """Works."""
    waiting(http, "i")
    http.post(f"{prefix}/instances/i/suspend")
    assert http.post(f"{prefix}/instances/i/terminate?reason=end").status_code == 202
    assert ended(http, "i")["runtimeStatus"] == "Terminated"


def test_rewind(http: TestClient, prefix: str) -> None:
    """What failed is done again; 409 while it runs, 410 for what ended otherwise."""
    http.post(f"{prefix}/orchestrators/Greet/i", json="bad")
    ended(http, "i")
    answer = http.post(f"{prefix}/instances/i/rewind?reason=again")
    assert (answer.status_code, answer.content) == (202, b"")
    ended(http, "i")
    waiting(http, "running")
    answer = http.post(f"{prefix}/instances/running/rewind?reason=x")
    assert answer.status_code == 409
    assert "only supported on failed" in answer.json()["ExceptionMessage"]
    http.post(f"{prefix}/instances/running/terminate")
    ended(http, "running")
    assert http.post(f"{prefix}/instances/running/rewind?reason=x").status_code == 410


def test_restart(http: TestClient, prefix: str) -> None:
    """Under a new id unless it says otherwise; an unknown id is 400 here, not 404."""
    http.post(f"{prefix}/orchestrators/Greet/i", json="bad")
    ended(http, "i")
    answer = http.post(f"{prefix}/instances/i/restart")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "10")
    assert answer.json()["id"] != "i"
    assert ended(http, answer.json()["id"])["input"] == "bad"
    same = http.post(f"{prefix}/instances/i/restart?restartWithNewInstanceId=FALSE")
    assert (same.status_code, same.json()["id"]) == (202, "i")
    unknown = http.post(f"{prefix}/instances/nobody/restart")
    assert unknown.status_code == 400
    assert unknown.json()["Message"] == "InstanceId does not match a valid orchestration instance."
    waiting(http, "running")
    assert http.post(f"{prefix}/instances/running/restart?restartWithNewInstanceId=false").status_code == 409


def test_purging_one(http: TestClient, prefix: str) -> None:
    """404 for nobody, 409 for what runs, else a count."""
    assert (
        http.delete(f"{prefix}/instances/i").status_code,
        http.delete(f"{prefix}/instances/i").content,
    ) == (404, b"")
    waiting(http, "i")
    assert http.delete(f"{prefix}/instances/i").status_code == 409
    http.post(f"{prefix}/instances/i/terminate")
    ended(http, "i")
    assert http.delete(f"{prefix}/instances/i").json() == {"instancesDeleted": 1}


def test_purging_by_filter(http: TestClient, prefix: str) -> None:
    """It needs a beginning; none is 404, which the clients read as zero."""
    for number in range(3):
        http.post(f"{prefix}/orchestrators/Greet/f{number}", json="bad")
        ended(http, f"f{number}")
    waiting(http, "running")
    refused = http.delete(f"{prefix}/instances")
    assert (refused.status_code, refused.json()) == (
        400,
        "Please provide value for 'createdTimeFrom' parameter.",
    )
    begin = "createdTimeFrom=2000-01-01T00:00:00Z"
    for nothing in (
        f"{begin}&createdTimeTo=2001-01-01T00:00:00Z",
        f"{begin}&runtimeStatus=Completed,Running",
    ):
        answer = http.delete(f"{prefix}/instances?{nothing}")
        assert (answer.status_code, answer.content) == (404, b"")
    assert http.delete(f"{prefix}/instances?{begin}&runtimeStatus=Failed").json() == {"instancesDeleted": 3}
    assert [each["instanceId"] for each in http.get(f"{prefix}/instances").json()] == ["running"]


def counted(http: TestClient, path: str, state: int) -> None:
    """Wait until an entity has this state."""
    eventually(lambda: (answer := http.get(path)).status_code == 200 and answer.json() == state)


def test_entities(http: TestClient, prefix: str) -> None:
    """Names have no case, keys have; the state is bare JSON, and zero is a state."""
    path = f"{prefix}/entities/counter/Key%201"
    assert (http.get(path).status_code, http.get(path).content) == (404, b"")
    assert http.post(f"{path}?op=add", json=3).status_code == 202
    assert http.post(f"{prefix}/entities/COUNTER/Key%201?op=add", json=-4).status_code == 202
    assert http.post(f"{prefix}/entities/Counter/other?op=add", json=4).status_code == 202
    counted(http, path, 0)
    counted(http, f"{prefix}/entities/counter/other", 5)
    rows = http.get(f"{prefix}/entities?fetchState=true").json()
    assert [(each["entityId"], each["state"]) for each in rows] == [
        ({"name": "counter", "key": "Key 1"}, 0),
        ({"name": "counter", "key": "other"}, 5),
    ]
    assert all(each["lastOperationTime"].endswith("Z") for each in rows)
    page = http.get(f"{prefix}/entities/Counter?top=1")
    assert [each["state"] for each in page.json()] == [None]
    token = {"x-ms-continuation-token": page.headers["x-ms-continuation-token"]}
    assert http.get(f"{prefix}/entities/counter?top=1", headers=token).json()[0]["entityId"]["key"] == "other"
    assert http.get(f"{prefix}/entities/counter?lastOperationTimeTo=2000-01-01T00:00:00Z").json() == []
    assert http.get(f"{prefix}/entities/nothing").json() == []
    assert http.delete(f"{prefix}/entities/counter/other").status_code == 202
    eventually(lambda: http.get(f"{prefix}/entities/counter/other").status_code == 404)


def test_a_signal_nobody_can_hear(http: TestClient, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """202, as the clients expect; the log says what became of it."""
    caplog.set_level(logging.WARNING, logger="perdure.server")
    for path in ("nothing/k?op=add", "counter/k?op=nothing", "counter/k?op=add"):
        assert http.post(f"{prefix}/entities/{path}").status_code == 202
    assert [each.message.count("not delivered") for each in caplog.records] == [1, 1, 1]


def test_a_signal_with_text(http: TestClient, prefix: str) -> None:
    """What is not JSON by its type is a text; broken JSON is refused."""
    path = f"{prefix}/entities/counter/k?op=add"
    broken = http.post(path, content=b"{", headers=JSON)
    assert (broken.status_code, broken.json()["Message"]) == (400, "Invalid JSON content")
    assert http.post(path, content=b"3", headers={"content-type": "text/plain"}).status_code == 202
    assert http.get(f"{prefix}/entities/counter/k").status_code == 404


@pytest.mark.parametrize("spelling", ["INSTANCES/i", "Instances/i/", "instances/i?taskHub=x&unknown=1"])
def test_words_have_no_case(http: TestClient, prefix: str, spelling: str) -> None:
    """And a slash at the end is nothing."""
    waiting(http, "i")
    assert http.get(f"{prefix}/{spelling}").json()["instanceId"] == "i"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "instances/i"),
        ("GET", "orchestrators/Greet"),
        ("GET", "nothing"),
        ("POST", "makeprimary"),
        ("GET", ""),
    ],
)
def test_what_is_not_there(http: TestClient, prefix: str, method: str, path: str) -> None:
    """404 with nothing in it: the clients read every body as JSON."""
    answer = http.request(method, f"{prefix}/{path}")
    assert (answer.status_code, answer.content) == (404, b"")


def test_every_answer_is_empty_or_json(http: TestClient) -> None:
    """Whatever is sent."""
    routes = [
        (method, prefix + each.path) for prefix in (PUBLIC, RPC) for each in ROUTES for method in each.roles
    ]
    for method, path in routes:
        for body in (b"", b"{", b"[1]", b"\xff", b'"\\ud800"'):
            url = path.replace("{name}", "%ff").replace("{id}", "i")
            answer = http.request(method, url, content=body, headers=JSON)
            assert answer.status_code < 500, (method, url, body)
            if answer.content:
                answer.json()


def test_the_binding_points_at_this_server(http: TestClient, prefix: str) -> None:
    """With all that either client reads of it."""
    assert http.get(f"{prefix}/binding").json()["rpcBaseUrl"] == "http://127.0.0.1/durabletask/"
    binding = http.get(f"{prefix}/binding?code=secret").json()
    assert binding["rpcBaseUrl"] == "http://code:secret@127.0.0.1/durabletask/"
    assert binding["baseUrl"] == f"http://127.0.0.1{PUBLIC}"
    assert "code=secret" in binding["requiredQueryStringParameters"]
    assert binding["managementUrls"]["id"] in binding["managementUrls"]["statusQueryGetUri"]
    assert "rewindPostUri" in binding["managementUrls"]
    assert "{functionName}[/{instanceId}]" in binding["creationUrls"]["createNewInstancePostUri"]


def test_a_repeated_start_under_one_key(http: TestClient, prefix: str) -> None:
    """Idempotency keys work here as well."""
    key = {"idempotency-key": "k1"}
    first, second = (
        http.post(f"{prefix}/orchestrators/Greet", json=1, headers=key).json()["id"] for _ in "ab"
    )
    assert first == second


def test_a_body_that_is_too_large(http: TestClient, prefix: str) -> None:
    """413, as JSON."""
    answer = http.post(f"{prefix}/orchestrators/Greet", content=b"1" * (1 << 20) + b"1")
    assert (answer.status_code, "Message" in answer.json()) == (413, True)
