"""What an editor shows for the schema: asked of yaml-language-server, which VS Code, Neovim and Helix use.

``npm install yaml-language-server`` gets it; ``.ci/run`` does so.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from perdure.dsl.editor_schema import editor_schema, schema_text
from perdure.dsl.schema import schema
from tests.editor.language_client import LanguageServer

VARIABLE = "PERDURE_TEST_YAML_LANGUAGE_SERVER"
"""Names the program; without it, ``node_modules`` of the checkout and then PATH are searched."""
MODELINE = "# yaml-language-server: $schema=./perdure.schema.json\n"
HEADER = "dsl: perdure/1\nname: hello\nversion: 1.0.0\n"
CORPUS = Path(__file__).parents[1] / "corpus" / "ok"
MANIFEST = {
    "activities": {
        "charge_card": {
            "doc": "Takes the money.",
            "parameters": [
                {"name": "order", "schema": {"$ref": "#/$defs/Order", "$defs": {"Order": {
                    "type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"],
                }}}, "required": True},
                {"name": "amount", "schema": {"type": "integer"}, "required": True},
                {"name": "speed", "schema": {"enum": ["slow", "fast"]}, "required": False},
            ],
            "result": {},
        },
        "SendMail": {
            "parameters": [{"name": "to", "schema": {"type": "string"}, "required": True}],
            "result": {},
        },
    }
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("yaml-language-server")]


class Editor:
    """A language server and a directory with one schema; every text is a new file there."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._numbers = count()

    def diagnostics(self, *texts: str) -> list[list[str]]:
        """What is said about each document: the text that is marked, a colon, the message."""
        names = [self._opened(text) for text in texts]  # all of them first: the server takes its time
        return [
            [f"{_marked(text, each['range'])}: {each['message']}" for each in self._server.diagnostics(name)]
            for name, text in zip(names, texts, strict=True)
        ]

    def hover(self, text: str, key: str) -> str:
        """What is shown over the first place where ``key`` stands."""
        lines = (MODELINE + text).splitlines()
        line = next(index for index, each in enumerate(lines) if index and key in each)
        return self._server.hover(self._opened(text), line, lines[line].index(key) + 1)

    def offered(self, text: str) -> dict[str, dict[str, Any]]:
        """What is offered where ``|`` stands; of those with one label the first."""
        before, _, after = (MODELINE + text).partition("|")
        line, column = before.count("\n"), len(before.rpartition("\n")[2])
        items = self._server.complete(self._opened(before.removeprefix(MODELINE) + after), line, column)
        return {each["label"]: each for each in reversed(items)}

    def _opened(self, text: str) -> str:
        name = f"case{next(self._numbers)}.perdure.yaml"
        self._server.open(name, MODELINE + text)
        return name


def _marked(text: str, place: dict[str, Any]) -> str:
    """What a diagnostic is about; with more than one line, its first."""
    line: str = [*(MODELINE + text).splitlines(), ""][place["start"]["line"]]
    end = place["end"]["character"] if place["end"]["line"] == place["start"]["line"] else None
    return line[place["start"]["character"] : end]


def program() -> list[str] | None:
    """The command that starts the language server."""
    beside = Path(__file__).parents[2] / "node_modules" / ".bin" / "yaml-language-server"
    found = os.environ.get(VARIABLE) or shutil.which(beside) or shutil.which("yaml-language-server")
    return [found, "--stdio"] if found else None


def editors(directory: Path, schema: dict[str, Any]) -> Iterator[Editor]:
    """An editor for a schema."""
    command = program()
    if command is None:
        pytest.skip(f"needs yaml-language-server: npm install yaml-language-server, or name it in {VARIABLE}")
    (directory / "perdure.schema.json").write_text(schema_text(schema))
    with LanguageServer(command, directory) as server:
        yield Editor(server)


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor with the language's schema."""
    yield from editors(tmp_path_factory.mktemp("editor"), editor_schema())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor with the schema of a project with two activities."""
    yield from editors(tmp_path_factory.mktemp("project"), editor_schema(MANIFEST))


def step(text: str) -> str:
    """A document with the keys of one step."""
    return HEADER + "do:\n  - it:\n" + "".join(f"      {line}\n" for line in text.splitlines())


RICH = """\
dsl: perdure/1
name: hello
version: 1.0.0
events:
  Approval: { schema: { type: boolean } }
retries:
  slow: { attempts: 5, max_delay: 2m }
timeout: 30d
do:
  - order:
      call: ChargeCard
      with: { amount: 1 }
      idempotency_key: ${ 'a' }
      retry:
        backoff: 1.5
        jitter: full
  - approved:
      wait_for_event: Approval
      correlate: ${ event.id == order.id }
      timeout: 72h
  - settled:
      fan_out: ${ order.lines }
      on_failure: { tolerate: 1% }
      keep: errors
      do:
        - sent: { start_workflow: survey, if_exists: reuse }
  - trip:
      saga:
        - flight: { call: Book, compensate: { call: Undo } }
      compensation: { order: reverse }
  - polled:
      until: ${ true }
      limit: 500
      checkpoint_every: 50
      do:
        - status: { call: GetStatus }
  - log: { message: hi, level: info }
  - continue_as_new: { input: 1, events: discard }
"""
ENTITY = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add:
    require:
      - check: ${ input > 0 }
        error: TooSmall
    set: ${ state + input }
"""


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("name: hello", "unique in the task hub"),
        ("version: 1", "a deployed version never changes"),
        ("events:", "Events that the workflow takes"),
        ("max_delay", "Default: the larger of `1h` and `delay`"),
        ("timeout: 30d", "over all generations"),
        ("call: ChargeCard", "by the name it is registered with"),
        ("with:", "a map from parameter names"),
        ("idempotency_key", "sees on every attempt"),
        ("backoff", "multiplied by after each further failure.\n\nDefault: `2`."),
        ("full", "draw evenly between 0 and the delay"),
        ("wait_for_event", "```yaml\nwait_for_event: ApprovalResponse\n```"),
        ("correlate", "ties an event to this instance"),
        ("timeout: 72h", "```yaml\ntimeout: 72h\n```"),
        ("fan_out", "an expression, or items written here"),
        ("tolerate", "```yaml\ntolerate: 1%\n```"),
        ("keep", "`counts`: keep neither"),
        ("if_exists", "`reuse`: take the one that is there"),
        ("saga", "are undone when the block fails"),
        ("compensation", "How undoing is done"),
        ("limit", "one more raises perdure.LimitExceeded"),
        ("checkpoint_every", "after so many iterations"),
        ("level", "Default: `info`"),
        ("events: discard", "unconsumed events are kept"),
    ],
)
def test_hover_explains_a_key(editor: Editor, key: str, said: str) -> None:
    """Over a key stands what it does, its default, an example, and what may be chosen."""
    assert said in editor.hover(RICH, key)


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ("wait: 5m", "wait", "How long, or until when"),
        ('wait: { until: "${ now() }" }', "wait", "How long, or until when"),
        ("call: A\nretry: slow", "retry", "Default: one attempt"),
        ("call: A\nretry: { attempts: 2 }", "retry", "Default: one attempt"),
        ("call: A\ncompensate: { call: B }", "compensate", "Default: nothing is undone"),
        ("fan_out: [1]\nchunk: 5\ndo:\n  - a: { call: A }", "chunk", "Default: `auto`"),
        ("fan_out: [1]\nchunk: off\ndo:\n  - a: { call: A }", "chunk", "* `auto`: over 1,000"),
        ("fan_out: [1]\non_failure: collect\ndo:\n  - a: { call: A }", "on_failure", "Default: `fail_fast`"),
    ],
)
def test_hover_over_a_union_shows_the_text_of_its_key(editor: Editor, keys: str, key: str, said: str) -> None:
    """Whichever form the value has, what is shown is the key's text and not that of the form."""
    assert said in editor.hover(step(keys), key)


@pytest.mark.parametrize(("key", "said"), [("require", "conditions that must hold"), ("set", "New state")])
def test_hover_explains_a_key_of_an_entity(editor: Editor, key: str, said: str) -> None:
    """The text is the entity's, where a workflow has the same key."""
    assert said in editor.hover(ENTITY, key)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("|", "workflow entity test dsl name"),
        (HEADER + "|\ndo:\n  - return: 1\n", "input vars events retries timeout schedule"),
        (HEADER + "do:\n  - |", "call wait_for_event fan_out lock_entities if return raise break"),
        (step("|"), "call wait wait_for_event parallel call_workflow saga"),
        (step("w|"), "wait wait_for_event while"),
        (step("call: A\n|"), "with timeout deadline retry idempotency_key compensate"),
        (step("wait_for_event: A\n|"), "timeout on_timeout correlate count until"),
        (step("call: A\nretry:\n  |"), "attempts delay backoff max_delay jitter except"),
        (step("call: A\nretry:\n  attempts: 2\n  |"), "delay jitter when"),
        (step("try:\n  - a: { call: A }\n|"), "catch finally retry"),
        (step("try:\n  - a: { call: A }\ncatch:\n  - |"), "errors when do"),
        (HEADER + "do:\n  - if: ${ true }\n    then:\n      - |", "call return set"),
        (HEADER + "do:\n  - log:\n      |", "message level fields"),
        (ENTITY + "  get:\n    |", "readonly input let require set return signal delete"),
    ],
)
def test_keys_are_offered(editor: Editor, text: str, offered: str) -> None:
    """The keys, kinds and snippets that can stand at a place are offered there."""
    assert set(offered.split()) <= editor.offered(text).keys()


@pytest.mark.parametrize(
    ("text", "others"),
    [
        (HEADER + "|\ndo:\n  - return: 1\n", "name do operations cases entity"),
        (step("call: A\n|"), "call wait on_timeout width"),
        (step("wait_for_event: A\n|"), "wait_for_event retry with"),
        (ENTITY + "  get:\n    |", "do call"),
    ],
)
def test_what_cannot_stand_there_is_not_offered(editor: Editor, text: str, others: str) -> None:
    """Keys that are there already, and those of other kinds, are left out."""
    assert not set(others.split()) & editor.offered(text).keys()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (step("fan_out: [1]\non_failure: |\ndo:\n  - a: { call: A }"), "fail_fast collect"),
        (step("fan_out: [1]\nkeep: |\ndo:\n  - a: { call: A }"), "results errors counts"),
        (step("call: A\nretry:\n  attempts: 2\n  jitter: |"), "none full"),
        (step("call_workflow: a\non_parent_close: |"), "terminate cancel abandon"),
        (HEADER + "do:\n  - log:\n      message: a\n      level: |", "debug info warning error"),
    ],
)
def test_values_are_offered(editor: Editor, text: str, values: str) -> None:
    """Exactly the values of an enum are offered."""
    assert editor.offered(text).keys() == set(values.split())


def test_what_a_snippet_inserts_is_clean(editor: Editor) -> None:
    """What a snippet inserts after a dash, its placeholders left as they are, is a good document."""
    offered = editor.offered(HEADER + "do:\n  - |")
    labels = [each["label"] for each in schema()["definitions"]["item"]["defaultSnippets"]]
    inserted = [offered[label]["insertText"] for label in labels]
    filled = [re.sub(r"\$\{\d+:((?:\\.|[^\\}])*)\}", r"\1", each) for each in inserted]
    texts = [re.sub(r"\\([$}])", r"\1", each).replace("\n", "\n  ") for each in filled]
    said = editor.diagnostics(*(HEADER + f"do:\n  - {text}\n" for text in texts))
    assert dict(zip(texts, said, strict=True)) == {text: [] for text in texts}


def test_good_documents_have_no_diagnostics(editor: Editor) -> None:
    """An editor says nothing about what the loader accepts."""
    paths = sorted(CORPUS.glob("*.yaml"))
    said = editor.diagnostics(*(path.read_text("utf-8") for path in paths))
    assert {path.name: each for path, each in zip(paths, said, strict=True) if each} == {}


DURATION = (
    "This must be a duration such as 250ms, 30s, 1h30m or 3d, or text in quotes with ${ } that gives one."
)
BAD = {
    step("call: A\nretyr: 2"): ["retyr: Property retyr is not allowed."],
    step("wait_for_event: A"): ['it: Missing property "timeout".'],
    step("call: A\nwait: 5m"): ["wait: Property wait is not allowed."],
    step("call: A\ntimeout: 30"): [f"30: {DURATION}"],
    step("call: A\ntimeout: soon"): [f"soon: {DURATION}"],
    step("call: A\nif: true"): [
        "true: This must be one expression in ${ }, in quotes if it contains ': ' or ' #'."
    ],
    step("call: A\nretry: { attempts: 3, dely: 5s }"): ["dely: Property dely is not allowed."],
    step("fan_out: [1]\nkeep: all\ndo:\n  - a: { call: A }"): [
        'all: Value is not accepted. Valid values: "results", "errors", "counts".'
    ],
    HEADER + "do:\n  - input: { call: A }\n": ["input: Property input is not allowed."],
    HEADER + "do:\n  - log: { level: info }\n": ['log: Missing property "message".'],
    HEADER + "do:\n  - return: 1\n    set: { a: 1 }\n": ["return: Property return is not allowed."],
    HEADER + "do: []\n": ["[]: Array has too few items. Expected 1 or more."],
    HEADER + "stepz: 1\ndo:\n  - return: 1\n": ["stepz: Property stepz is not allowed."],
    ENTITY + "  get: { readonly: yes }\n": ['yes: Incorrect type. Expected "boolean".'],
}


def test_a_mistake_is_marked_where_it_is(editor: Editor) -> None:
    """One mistake has one message, at its place, about the kind of step that was meant."""
    assert dict(zip(BAD, editor.diagnostics(*BAD), strict=True)) == BAD


def test_no_document_matches_several_schemas(editor: Editor) -> None:
    """Kinds are disjoint: not even for bad documents the editor says that several match."""
    texts = [path.read_text("utf-8") for path in sorted((CORPUS.parent / "err").glob("*.yaml"))]
    messages = [message for each in editor.diagnostics(*texts) for message in each]
    assert messages
    assert not [message for message in messages if "multiple schemas" in message]


# A project's activities -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("call: |", "SendMail charge_card"),
        ("call: charge_card\nwith:\n  |", "order amount speed"),
        ("call: charge_card\nwith:\n  speed: |", "slow fast"),
    ],
)
def test_activities_are_offered(project: Editor, text: str, offered: str) -> None:
    """Names of activities, their parameters, and the values of these."""
    assert set(offered.split()) <= project.offered(step(text)).keys()


def test_hover_shows_what_an_activity_does(project: Editor) -> None:
    """Over the name of an activity stand its parameters and its docstring."""
    shown = project.hover(step('call: charge_card\nwith: "${ input }"'), "charge_card")
    assert "`charge_card(order, amount, speed?)`\n\nTakes the money." in shown


CALLS = {
    "call: SendMail\nwith: me": [],
    'call: charge_card\nwith: "${ input }"': [],
    'call: charge_card\nwith: { order: "${ input }", amount: "${ 1 }", speed: "${ input.speed }" }': [],
    "call: charge_card\nwith: { order: { id: a }, amount: 1 }": [],
    "call: a_function\nwith: [1, 2]": [],
    "call: Sendmail": ['Sendmail: Value is not accepted. Valid values: "SendMail", "charge_card".'],
    "call: SendMail": ['it: Missing property "with".'],
    "call: SendMail\nwith: 3": ['3: Incorrect type. Expected "string".'],
    "call: charge_card\nwith: { order: { id: a }, amount: 1.5 }": [
        "1.5: This must be of type integer, or an expression in ${ }."
    ],
    "call: charge_card\nwith: { order: { id: 4 }, amount: 1 }": ['4: Incorrect type. Expected "string".'],
    "call: charge_card\nwith: { order: { id: a }, amount: 1, sped: fast }": [
        "sped: Property sped is not allowed."
    ],
}


def test_calls_are_checked_against_the_activities(project: Editor) -> None:
    """A wrong name, a missing argument and a wrong type are marked; expressions are let through."""
    said = project.diagnostics(*(step(text) for text in CALLS))
    assert dict(zip(CALLS, said, strict=True)) == CALLS
