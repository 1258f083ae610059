"""Cases of schemathesis over the whole OpenAPI document, with what came of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from perdure.server.app import OPERATIONS, document
from tests.http_cases.hub import Hub

SHAPE = {"unknown_field", "unknown_parameter", "invalid_body", "invalid_parameter", "invalid_key", "bad_json"}
"""Codes of what the document could have said: data that fits it is never refused with one of them."""
CONDITIONS = {
    ("GET /definitions/{reference}", "invalid_parameter"),  # a name alone has no format
    ("POST /entities/{entity}/{operation}", "invalid_parameter"),  # ``wait`` of a call, ``at`` of a signal
    ("POST /instances/{id}/steps/{step}/resolve", "invalid_body"),  # an output or an error
}
"""Where one field's meaning hangs on another's, which the document says in words."""


OTHERWISE = re.compile("'wait' must be at most|'tag' stands twice|'confirm' is needed")
"""What no schema can say of a parameter: this server's settings, and keys inside texts."""


@schemathesis.check
def what_fits_is_understood(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that fits the document may be refused for what it means, and not for how it looks."""
    if (
        case.meta is None
        or not case.meta.generation.mode.is_positive
        or response.status_code not in {400, 422}
    ):
        return
    code = response.json()["code"]
    if code == "invalid_parameter" and OTHERWISE.search(response.json()["detail"]):
        return
    if code in SHAPE and (case.operation.label, code) not in CONDITIONS:
        raise AssertionError(f"refused as {code}: {response.json()['detail']}")


PHASES = ("examples", "coverage", "fuzzing", "stateful")
PIECES = (
    ("^/instances/", "id", "instance"),
    ("/events/", "name", "event"),
    ("/queries/", "name", "query"),
    ("/steps/", "step", "step"),
    ("^/definitions/", "reference", "reference"),
    ("^/definitions/", "name", "name"),
    ("^/entities/", "entity", "entity"),
    ("^/entities/", "operation", "operation"),
    ("^/schedules/", "id", "schedule"),
    ("^/queues/", "name", "queue"),
    ("^/tokens/", "token", "token"),
    ("^/dead-letters/", "number", "number"),
)
"""Which words of the hub a piece of a path is filled with, most of the time."""


@dataclass
class Tally:
    """How many cases there were, how they were answered, and what was wrong."""

    cases: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    """Of them those that were not refused."""
    checks: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The counters, for people."""
        return [
            f"phases {dict(self.phases)}",
            f"answers {dict(sorted(self.answers.items()))}",
            f"checks {dict(self.checks)}",
            f"fewest {self.operations.most_common()[-5:]}",
            f"never done {sorted(set(self.operations) - set(+self.done))}",
            f"{self.cases} cases of {len(self.operations)} routes",
            f"{len(self.failures)} failures, {len(self.errors)} errors",
        ]


def closed(schema: Any) -> Any:
    """The document without leave for fields that nobody described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if found.get("type") == "object" and "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


def run(
    hub: Hub,
    seed: int,
    cases: int,
    phases: Iterable[str] = PHASES,
    *,
    path: str | None = None,
    app: Any = None,
) -> Tally:
    """About so many cases of the phases that are named; of one ``path``, or of all."""
    routes = [each for each in OPERATIONS if path in {None, each.path}]
    paths = {each.path for each in routes}
    share = max(cases // len(routes), 1)
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {hub.key['secret']}"},
            "continue-on-failure": True,
            # ``what_fits_is_understood`` says which refusals are allowed.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 401, 404, 409, 410, 422]}},
            "generation": {
                "max-examples": share,
                "no-shrink": True,
                "database": "none",
                "with-security-parameters": False,
            },
            "phases": {name: {"enabled": name in phases} for name in PHASES},
            "dictionaries": {name: {"values": words} for name, words in hub.words.items()},
            "parameters": {word: _bound(word) for word in ("workflow", "version", "step")}
            | {"query.wait": _bound("wait")},
            "operations": [{"include-path": each, "parameters": _pieces(each)} for each in sorted(paths)],
        }
    )
    described = closed(document())
    described["paths"] = {each.path: described["paths"][each.path] for each in routes}
    schema = schemathesis.openapi.from_dict(described, config=config)
    schema.app = hub.app if app is None else app

    @schema.hook("filter_case")
    def not_the_ground_it_stands_on(context: HookContext, case: Case[Any]) -> bool:
        """Who revokes the key of these cases, or sends their worker away, ends them."""
        pieces = case.path_parameters or {}
        if case.operation.label == "POST /workers/{worker}/drain":
            return pieces.get("worker") not in hub.workers
        ours = {hub.key["name"], hub.key["id"]}
        return case.operation.label != "DELETE /keys/{name}" or pieces.get("name") not in ours

    @schema.hook("map_query")
    def a_call_or_a_signal(context: HookContext, query: Any) -> Any:
        """Only a call has ``wait``, and only a signal ``at``: nearly all cases had one that is refused."""
        if context.operation is None or context.operation.label != "POST /entities/{entity}/{operation}":
            return query
        foreign = "at" if str((query or {}).get("call")).lower() == "true" else "wait"
        return {name: value for name, value in (query or {}).items() if name != foreign}

    tally = Tally()
    for event in from_schema(schema).execute():
        if isinstance(event, ScenarioFinished):
            _count(tally, event)
        elif isinstance(event, NonFatalError | FatalError):
            tally.errors.append(repr(event))
    return tally


def _pieces(path: str) -> dict[str, Any]:
    """All of one path together: of two entries that fit an operation, schemathesis takes the first alone."""
    return {
        f"path.{piece}": _bound(word)
        for pattern, piece, word in PIECES
        if re.search(pattern, path) and f"{{{piece}}}" in path
    }


def _bound(word: str) -> dict[str, Any]:
    return {"dictionary": word, "probability": 0.8}


def _count(tally: Tally, event: ScenarioFinished) -> None:
    recorder = event.recorder
    for case_id, node in recorder.cases.items():
        interaction = recorder.interactions.get(case_id)
        if interaction is None or interaction.response is None:
            continue
        tally.cases += 1
        tally.phases[event.phase.value] += 1
        label, status = node.value.operation.label, interaction.response.status_code
        tally.operations[label] += 1
        tally.answers[status] += 1
        tally.done[label] += status < 300
        for check in recorder.checks.get(case_id, ()):
            tally.checks[check.name] += 1
            if check.failure_info is not None:
                failure = check.failure_info.failure
                answer = f"{status} {interaction.response.content[:600]!r}"
                text = f"{failure.message}\n{check.failure_info.code_sample}\n{answer}"
                tally.failures.setdefault(f"{check.name}: {label}: {failure.title}", text)
