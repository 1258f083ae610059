"""The order of keys: every construct comes out as the language shows it, in whatever order it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from perdure.dsl import Source
from perdure.dsl.format import KEYS_OF_STEPS, format_source
from perdure.dsl.schema import schema
from tests.dsl.test_format import FILES, HEADER, ON_PAGES, formatted

STEPS = """
a: { if: true, call: A, with: 1, timeout: 1s, deadline: 1m, heartbeat: 1s, retry: { attempts: 2 },
  idempotency_key: k, queue: q, priority: 1, fairness_key: f, concurrency: { key: k, limit: 1 },
  compensate: { on: attempted, call: B, with: 1, timeout: 1s, retry: { attempts: 2 } }, output: 1,
  summary: s, tags: { t: u } }

a: { call_workflow: w, version: ^2.0, instance_id: i, with: 1, if_exists: reuse, on_parent_close: cancel,
  timeout: 1m, deadline: 1h, retry: { attempts: 2, delay: 1s }, output: 1 }

a: { start_workflow: w, version: ^2.0, instance_id: i, start_at: "${ x }", with: 1, if_exists: reuse }

a: { call_entity: E@k, op: o, with: 1, timeout: 1m, output: 1 }

a: { wait_for_event: E, correlate: "${ x }", until: "${ x }", count: 3, timeout: 1m, on_timeout: [break] }

a: { fan_out: [1], each: e, at: i, key: k, width: 2, on_failure: { tolerate: 1% }, until: "${ x }",
  chunk: auto, keep: errors, timeout: 1m, do: [break], output: 1 }

a: { for_each: [1], each: e, at: i, limit: 2, timeout: 1m, do: [break], output: 1 }

a: { while: "${ x }", at: i, limit: 2, checkpoint_every: 1, timeout: 1m, do: [break], output: 1 }

a: { until: "${ x }", at: i, limit: 2, checkpoint_every: 1, timeout: 1m, do: [break], output: 1 }

a: { parallel: { p: [break] }, on_failure: collect, timeout: 1m, output: 1 }

a: { race: { p: [break] }, timeout: 1m, output: 1 }

a: { switch: [{ when: "${ x }", do: [break] }], else: [break], output: 1 }

a: { do: [break], timeout: 1m, deadline: 1h, retry: { attempts: 2 }, output: 1 }

a: { try: [break], catch: [{ errors: [E], when: "${ x }", do: [break] }], finally: [break], timeout: 1m,
  deadline: 1h, retry: { attempts: 2, delay: 1s, backoff: 2, max_delay: 1m, jitter: full, on: [E],
  except: [F], when: "${ x }" }, output: 1 }

a: { saga: [break], compensation: { order: reverse, on_failure: stop, retry: { attempts: 2 } },
  timeout: 1m, output: 1 }

a: { lock_entities: [E@k], timeout: 1m, do: [break], output: 1 }

if: "${ x }", then: [break], else: [continue]

raise: { error: E, message: m, data: 1, cause: "${ x }" }

log: { level: info, message: m, fields: { f: 1 } }

send_event: { to: x, event: E, with: 1 }

signal_entity: { entity: E@k, op: o, with: 1, at: "${ x }" }

cancel: { instance: x, reason: r }

continue_as_new: { input: 1, version: latest, events: carry }
"""
DOCUMENTS = """
dsl: perdure/1, kind: workflow, name: w, version: 1.0.0, summary: s, tags: { t: u },
input: { schema: {} }, output: { schema: {} }, vars: { v: { schema: {}, initial: 1 } },
events: { E: { schema: {} } }, errors: { F: { status: 409, retryable: false, schema: {} } },
retries: { r: { attempts: 2, delay: 1s } },
defaults: { call: { timeout: 1m, retry: r, queue: q }, fan_out: { width: 1, chunk: off } },
functions: { f: { call: A, with: 1 } }, queries: { q: 1 }, concurrency: { key: k, limit: 1 },
timeout: 1d, limits: { history_events: 9, on_exceed: suspend },
retention: { completed: 1d, failed: 1d, generations: 1 },
schedule: [{ cron: "0 2 * * *", timezone: UTC, overlap: skip, catch_up: 1h, input: 1 }], do: [break]

dsl: perdure/1, kind: entity, name: E, version: 1.0.0, summary: s, state: { schema: {}, initial: 1 },
operations: { o: { readonly: true, input: {}, let: { x: 1 },
  require: [{ check: "${ x }", error: F, message: m }], set: 1, return: 1,
  signal: [{ if: "${ x }", entity: E@k, op: o, with: 1 }],
  start_workflow: [{ if: "${ x }", workflow: w, with: 1 }], delete: true } }

dsl: perdure/1, kind: test, workflow: w, cases: [{ name: n, input: 1,
  activities: { A: { fails: [E], then_returns: 1 } },
  timeline: [{ raise_event: { name: E, payload: 1 } }],
  expect: { status: Completed, output: 1, called: { A: 1 }, history: h, history_events: { max: 1 } } }]
"""


def keys(text: str) -> list[tuple[str, list[str]]]:
    """The keys of each mapping of a text in their order, with the place of the mapping."""

    def below(value: object, place: str) -> Iterator[tuple[str, list[str]]]:
        if isinstance(value, dict):
            yield place, [str(key) for key in value]
        parts = (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        )
        for key, part in parts:
            yield from below(part, f"{place}/{key}")

    documents = YAML(typ="safe", pure=True).load_all(text)
    return sorted(each for number, root in enumerate(documents) for each in below(root, str(number)))


def backwards(text: str) -> str:
    """The same document, with the keys of all its mappings in the opposite order."""

    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(part) for key, part in reversed(value.items())}
        return [turned(each) for each in value] if isinstance(value, list) else value

    return json.dumps(turned(YAML(typ="safe", pure=True).load(text)))


@pytest.mark.parametrize("text", [*FILES.values(), *ON_PAGES.values()], ids=[*FILES, *ON_PAGES])
def test_what_is_shown_has_its_keys_in_order(text: str) -> None:
    """Examples and pages teach the very order that formatting brings about."""
    found = format_source(Source("w", text))
    assert found.diagnostics or keys(found.text) == keys(text)


def test_keys_have_the_order_of_the_language() -> None:
    """In the header as in its definition, in a step the verb first and blocks last, in data as written."""
    text = (
        "do:\n- a: {with: {z: 1, a: 2}, retry: {delay: 1s, attempts: 2}, call: A}\n"
        "version: 1.0.0\nkind: workflow\nname: w\ndsl: perdure/1\n"
    )
    assert formatted(text) == (
        "dsl: perdure/1\nkind: workflow\nname: w\nversion: 1.0.0\ndo:\n"
        "  - a: { call: A, with: { z: 1, a: 2 }, retry: { attempts: 2, delay: 1s } }\n"
    )


def test_every_key_of_a_step_has_its_place() -> None:
    """A key that the schema allows in a step is in the order of keys, or makes the step."""
    parts = [
        each
        for name, each in schema()["definitions"].items()
        if name.startswith(("step_", "compensate_")) and "properties" in each
    ]
    known = {key for part in parts for key in part["properties"]}
    kinds = {part["x-perdure-kind"] for part in parts}
    assert known - kinds - {"if", "on", *KEYS_OF_STEPS} == set()


@pytest.mark.parametrize("step", STEPS.strip().split("\n\n"), ids=lambda step: step[:20])
def test_every_construct_has_its_order(step: str) -> None:
    """Steps, statements and what stands in them."""
    wanted = f"{HEADER}do: [{{ {step} }}]"
    assert keys(formatted(backwards(wanted))) == keys(wanted)


@pytest.mark.parametrize("document", DOCUMENTS.strip().split("\n\n"), ids=["workflow", "entity", "test"])
def test_every_kind_of_document_has_its_order(document: str) -> None:
    """Headers, operations of entities, and the cases of tests."""
    wanted = f"{{ {document} }}"
    assert keys(formatted(backwards(wanted))) == keys(wanted)
