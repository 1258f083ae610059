from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.engine.counter import COUNTER
from tests.engine.facts import eventually
from tests.server.hub import API, ECHO, GATE, YAML, given_instance, given_server, refusal

OTHER = ECHO.replace("${ input }", "${ [input] }")
NEWER = OTHER.replace("1.0.0", "1.1.0")
BROKEN = ECHO.replace("${ input }", "${ inptu }")


def deploy(http: TestClient, source: str, **query: str) -> Any:
    """The answer to deploying this file."""
    return http.post(f"{API}/definitions", content=source, headers=YAML, params=query)


def names(http: TestClient) -> list[str]:
    """What is deployed."""
    items = http.get(f"{API}/definitions").json()["items"]
    return [f"{each['name']}@{each['version']}" for each in items]


def test_a_new_definition_is_created() -> None:
    """A new definition is 201, with its place and what became of it."""
    with given_server() as http:
        answer = deploy(http, ECHO)
    item = answer.json()["items"][0]
    assert (answer.status_code, answer.headers["location"], item["outcome"]) == (
        201,
        f"{API}/definitions/echo@1.0.0",
        "created",
    )


def test_the_same_again_is_unchanged(http: TestClient) -> None:
    """Deploying the same content again is 200 and changes nothing, whatever its layout."""
    answer = deploy(http, ECHO.replace("- return", "# as before\n-   return"))
    assert (answer.status_code, answer.json()["items"][0]["outcome"]) == (200, "unchanged")


def test_a_version_never_changes(http: TestClient) -> None:
    """Other content under a version that is there is 409 with a hint."""
    answer = deploy(http, OTHER)
    assert refusal(answer) == (409, "definition_conflict")
    assert "new version" in answer.json()["hint"]


def test_json_carries_the_source_too() -> None:
    """A JSON body with the source does the same as the bare file."""
    with given_server() as http:
        answer = http.post(f"{API}/definitions", json={"source": ECHO})
        assert (answer.status_code, names(http)) == (201, ["echo@1.0.0"])


def test_errors_have_their_places(http: TestClient) -> None:
    """A file with a mistake is 422 with file, line, column, code and what to do."""
    answer = deploy(http, BROKEN, filename="flows/echo.yaml")
    found = answer.json()["diagnostics"][0]
    assert refusal(answer) == (422, "invalid_document")
    assert (found["file"], found["start"], found["code"]) == (
        "flows/echo.yaml",
        {"line": 5, "column": 14},
        "PD301",
    )
    assert "input" in found["message"]


def test_an_entity_is_deployed() -> None:
    """Beside the workflows of its file."""
    with given_server() as http:
        answer = deploy(http, f"{ECHO}---\n{COUNTER}")
        assert names(http) == ["Counter@1.0.0", "echo@1.0.0"]
        later = COUNTER.replace("1.0.0", "1.1.0").replace('set: "${ state +', 'set: "${ state -')
        assert deploy(http, later).status_code == 201
        listing = http.get(f"{API}/definitions/Counter@1.0.0", params={"format": "listing"})
        assert "set state = ${ state + input }" in listing.text
        compared = http.get(f"{API}/definitions/Counter/diff", params={"from": "1.0.0", "to": "1.1.0"}).json()
        assert compared["changes"] == [
            "- add: set state = ${ state + input }",
            "+ add: set state = ${ state - input }",
        ]
    assert [each["name"] for each in answer.json()["items"]] == ["Counter", "echo"]


def test_bytes_that_are_no_text_have_their_place(http: TestClient) -> None:
    """A file that is not UTF-8 is 422 with the place of the byte."""
    answer = http.post(f"{API}/definitions", content=b"dsl: perdure/1\nname: \xff\n", headers=YAML)
    assert refusal(answer) == (422, "invalid_document")
    assert answer.json()["diagnostics"][0]["start"] == {"line": 2, "column": 7}


def test_a_large_document_is_a_diagnostic(http: TestClient) -> None:
    """A file beyond the language's limit, but within that of bodies, is told so by the reader."""
    answer = deploy(http, ECHO + "#" * 300_000)
    assert [each["code"] for each in answer.json()["diagnostics"]] == ["PD109"]


def test_a_file_is_deployed_whole() -> None:
    """Each document of a file becomes a definition."""
    with given_server() as http:
        answer = deploy(http, f"{ECHO}---\n{GATE}")
        assert (answer.status_code, sorted(names(http))) == (201, ["echo@1.0.0", "gate@1.0.0"])


@pytest.mark.parametrize(
    "source",
    [f"{ECHO}---\n{BROKEN.replace('echo', 'other')}", f"{ECHO}---\n{OTHER}"],
    ids=["error", "same version twice"],
)
def test_a_file_is_deployed_whole_or_not_at_all(source: str) -> None:
    """A mistake in one document of a file keeps the others out."""
    with given_server() as http:
        assert refusal(deploy(http, source)) == (422, "invalid_document")
        assert names(http) == []


def test_a_conflict_keeps_the_whole_file_out(http: TestClient) -> None:
    """A conflict of one document of a file keeps the others out."""
    new = ECHO.replace("echo", "new")
    assert refusal(deploy(http, f"{new}---\n{OTHER}")) == (409, "definition_conflict")
    assert "new@1.0.0" not in names(http)


def test_a_dry_run_writes_nothing() -> None:
    """A dry run says what would be created, and creates nothing."""
    with given_server() as http:
        answer = deploy(http, ECHO, dry_run="true")
        assert (answer.status_code, answer.json()["items"][0]["outcome"], names(http)) == (200, "created", [])


def test_a_dry_run_finds_conflicts(http: TestClient) -> None:
    """A dry run of other content under a version that is there is 409."""
    assert refusal(deploy(http, OTHER, dry_run="")) == (409, "definition_conflict")


def test_versions_are_listed(http: TestClient) -> None:
    """A name alone lists its versions, and says which one is active."""
    deploy(http, NEWER)
    items = http.get(f"{API}/definitions/echo").json()["items"]
    assert {each["version"]: each["active"] for each in items} == {"1.0.0": False, "1.1.0": True}


def test_a_version_is_shown_with_its_source(http: TestClient) -> None:
    """A version as JSON holds its source."""
    assert http.get(f"{API}/definitions/echo@1.0.0").json()["source"] == ECHO


def test_a_version_is_shown_as_it_was_written(http: TestClient) -> None:
    """``format=yaml`` is the file as deployed."""
    answer = http.get(f"{API}/definitions/echo@1.0.0?format=yaml")
    assert (answer.headers["content-type"], answer.text) == ("application/yaml", ECHO)


def test_a_version_is_shown_as_a_listing(http: TestClient) -> None:
    """``format=listing`` is the compiled program for people."""
    answer = http.get(f"{API}/definitions/echo@1.0.0?format=listing")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "Return" in answer.text


def test_other_formats_are_refused(http: TestClient) -> None:
    """A format that is unknown is 422."""
    answer = http.get(f"{API}/definitions/echo@1.0.0", params={"format": "xml"})
    assert refusal(answer) == (422, "invalid_parameter")


@pytest.mark.parametrize("reference", ["nothing", "nothing@1.0.0", "echo@9.9.9", "echo@", "@", "%00"])
def test_what_is_not_deployed_is_not_found(http: TestClient, reference: str) -> None:
    """An unknown name or version is 404."""
    assert refusal(http.get(f"{API}/definitions/{reference}")) == (404, "not_found")


def test_another_content_type_is_refused(http: TestClient) -> None:
    """A body that says nothing of YAML is 415, and the hint has the header to send."""
    answer = http.post(f"{API}/definitions", content=ECHO, headers={"content-type": "text/plain"})
    assert refusal(answer) == (415, "media_type")
    assert "application/yaml" in answer.json()["hint"]


def test_the_filename_is_one_line(http: TestClient) -> None:
    """A file name that would break lines is 422."""
    assert refusal(deploy(http, ECHO, filename="a\nb")) == (422, "invalid_name")


# versions ---------------------------------------------------------------------------------------

GONE = ECHO.replace("do:", "queries: { a: '${ input }' }\ndo:")
NEXT = ECHO.replace("version: 1.0.0", "version: %s")


def test_what_a_version_breaks_is_refused(http: TestClient) -> None:
    """It is 409 with the report, unless the number or a parameter allows it."""
    old = GONE.replace("name: echo", "name: old")
    new = NEXT.replace("name: echo", "name: old")
    assert deploy(http, old).status_code == 201
    answer = deploy(http, new % "1.1.0")
    assert refusal(answer) == (409, "breaking_change")
    assert answer.json()["breaks"] == ["query 'a' is removed"]
    for version, query in (("2.0.0", {}), ("1.1.0", {"allow_breaking": "true"})):
        items = deploy(http, new % version, activate="false", **query).json()["items"]
        assert [(each["breaks"], each["active"]) for each in items] == [(["query 'a' is removed"], False)]


def test_other_content_is_told(http: TestClient) -> None:
    """A version that is there with other content is 409 with what is other."""
    answer = deploy(http, ECHO.replace("${ input }", "${ [input] }"))
    assert refusal(answer) == (409, "definition_conflict")
    assert answer.json()["changes"] == [
        "- do/0: Return value=${ input }",
        "+ do/0: Return value=${ [input] }",
    ]
    assert "  - do/0: Return" in answer.json()["detail"]


def test_two_versions_are_compared(http: TestClient) -> None:
    """In what they mean, with what the second one breaks."""
    deploy(http, GONE.replace("version: 1.0.0", "version: 0.9.0"))
    answer = http.get(f"{API}/definitions/echo/diff", params={"from": "0.9.0", "to": "1.0.0"})
    assert answer.json() == {
        "name": "echo",
        "from": "0.9.0",
        "to": "1.0.0",
        "changes": ["- query a = ${ input }"],
        "breaks": ["query 'a' is removed"],
    }
    assert refusal(http.get(f"{API}/definitions/echo/diff", params={"from": "1.0.0"})) == (
        422,
        "invalid_parameter",
    )
    unknown = http.get(f"{API}/definitions/echo/diff", params={"from": "1.0.0", "to": "9"})
    assert refusal(unknown) == (404, "not_found")


def test_a_version_is_chosen_and_retired(http: TestClient) -> None:
    """200 with whether something changed; a retired version is 409 to start, an unknown one 404."""
    deploy(http, NEXT % "1.1.0")
    for verb, changed in (("activate", True), ("activate", False), ("retire", True), ("retire", False)):
        answer = http.post(f"{API}/definitions/echo@1.0.0/{verb}")
        assert (answer.status_code, answer.json()["changed"]) == (200, changed)
    assert refusal(http.post(f"{API}/instances", json={"workflow": "echo@1.0.0"})) == (409, "retired")
    assert refusal(http.post(f"{API}/instances", json={"workflow": "echo"})) == (404, "not_found")
    assert refusal(http.post(f"{API}/definitions/echo@9/retire")) == (404, "not_found")


NAP = """\
dsl: perdure/1
name: nap
version: {0}
do:
- first: {{ wait: {1} }}
- then: {{ wait: {2} }}
"""


def test_a_version_that_would_diverge_is_refused() -> None:
    """When that is asked: which running instances have decided otherwise, and where; nothing is stored."""
    with given_server(NAP.format("1.0.0", "1h", "1h")) as http:
        for number in range(12):
            given_instance(http, "nap", id=f"n{number}")
        ended = given_instance(http, "nap", id="over")
        http.post(f"{ended}/terminate")
        http.get(ended, params={"wait": "60s"})
        states = [f"{API}/instances/n{number}/state" for number in range(12)]
        eventually(lambda: all(http.get(each).json()["fibers"] for each in states))
        other = NAP.format("1.1.0", "2h", "1h")
        for how in ({"dry_run": "true"}, {}):
            refused = deploy(http, other, check_replay="true", **how)
            assert refusal(refused) == (409, "would_diverge")
            found = refused.json()["diverging"]
            assert sorted(each["id"] for each in found) == sorted(f"n{number}" for number in range(12))
            assert all("timer" in each["problem"] for each in found)
            assert "12 of 12 running instances of 1.0.0" in refused.json()["detail"]
            assert "and 2 more" in refused.json()["detail"]
            assert names(http) == ["nap@1.0.0"]
        fits = deploy(http, NAP.format("1.2.0", "1h", "3h"), check_replay="true")
        assert (fits.status_code, fits.json()["items"][0]["replayed"]) == (201, 12)
        # Without being asked nobody looks.
        assert "replayed" not in deploy(http, other).json()["items"][0]


def test_definitions_come_in_pages() -> None:
    """All of them, and those of one name; a version is no list."""
    versions = [f"1.{number}.0" for number in range(5)]
    with given_server(*(ECHO.replace("1.0.0", each) for each in versions), GATE) as http:
        for path, wanted in ((f"{API}/definitions", 6), (f"{API}/definitions/echo", 5)):
            found: list[str] = []
            query: dict[str, str] = {"limit": "2"}
            while True:
                page = http.get(path, params=query).json()
                assert len(page["items"]) <= 2
                found += [f"{each['name']}@{each['version']}" for each in page["items"]]
                if page["next"] is None:
                    break
                query["cursor"] = page["next"]
            assert (len(found), len(set(found))) == (wanted, wanted)
            assert found[0] == "echo@1.4.0"
        for wrong in ({"cursor": "nonsense"}, {"limit": "0"}):
            assert http.get(f"{API}/definitions", params=wrong).status_code == 422
        assert refusal(http.get(f"{API}/definitions/echo@1.0.0?limit=2")) == (422, "invalid_parameter")
