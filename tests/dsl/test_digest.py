"""The digest of a document's meaning."""

from __future__ import annotations

from perdure.dsl import document_digest
from tests.dsl.documents import given_workflow

BODY = "  - a: { call: A, with: { x: 1, y: '${ input.y }' }, timeout: 30s }\n"
HEADER = "tags: { a: '1', b: '2' }\nevents: { E: {}, F: {} }\nretries: { p: { attempts: 2 } }\n"


def digest(body: str = BODY, header: str = HEADER) -> str:
    """The digest of a workflow with these steps."""
    return document_digest(given_workflow(body, header))


def test_layout_does_not_count() -> None:
    """Comments, block style, quotes, spaces in expressions and notations of durations are layout."""
    body = """
  # a comment
  - a:
      with:
        x: 1
        'y': "${input.y}"
      timeout: PT30S
      call: A
"""
    assert digest(body) == digest()


def test_the_order_of_declarations_does_not_count() -> None:
    """Headers are sets of declarations."""
    header = "retries: { p: { attempts: 2 } }\nevents: { F: {}, E: {} }\ntags: { b: '2', a: '1' }\n"
    assert digest(header=header) == digest()


def test_the_name_of_a_policy_does_not_count() -> None:
    """A policy is what it says, wherever it stands."""
    named = digest("  - a: { call: A, retry: p }\n")
    assert named == digest("  - a: { call: A, retry: { attempts: 2 } }\n")


def test_the_order_of_keys_in_values_counts() -> None:
    """Values are passed on as they are written."""
    assert digest("  - return: { a: 1, b: 2 }\n") != digest("  - return: { b: 2, a: 1 }\n")


def test_meaning_counts() -> None:
    """Another argument, bound, name or expression is another document."""
    changed = [("x: 1", "x: 2"), ("30s", "31s"), ("- a:", "- b:"), ("input.y", "input.z"), ("x: 1", "x: 1.0")]
    assert len({digest(), *(digest(BODY.replace(*change)) for change in changed)}) == len(changed) + 1
