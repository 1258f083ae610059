from __future__ import annotations

import textwrap

import pytest

from perdure.dsl import Document, Source, load
from perdure.dsl.rules.across import check_across

COUNTER = """
    dsl: perdure/1
    kind: entity
    name: Counter
    version: 1.0.0
    state: { initial: { count: 0 } }
    operations:
      add: { input: { type: integer }, set: { count: "${ state.count + input }" } }
"""
ASKING = """
    dsl: perdure/1
    name: asking
    version: 1.0.0
    do:
      - added: { call_entity: Counter@a, op: ad, with: 1 }
      - invoice: { call_workflow: invoice, version: ^1.0 }
      - return: ${ [added, invoice] }
"""
INVOICE = """
    dsl: perdure/1
    name: invoice
    version: 2.0.0
    do:
      - return: null
"""
TEST = """
    dsl: perdure/1
    kind: test
    workflow: invoice
    cases:
      - name: one
        activities: { Print: { returns: null } }
        expect: { status: Completed }
"""


def documents(**files: str) -> list[Document]:
    """The documents of files that are right each for itself."""
    found: list[Document] = []
    for name, text in files.items():
        loaded = load(Source(name, textwrap.dedent(text)))
        assert loaded.ok, loaded.diagnostics
        found += loaded.documents
    return found


def test_another_file_tells_what_is_wrong() -> None:
    """Operations, versions and the steps of a tested workflow are known from the files beside."""
    together = documents(counter=COUNTER, asking=ASKING, invoice=INVOICE, test=TEST)
    found = list(check_across(together, between_files=True))
    assert [(each.file, each.code) for each in found] == [
        ("asking", "PD501"),
        ("asking", "PD815"),
        ("test", "PD816"),
    ]
    assert [each.related[0].file for each in found] == ["counter", "invoice", "invoice"]


@pytest.mark.parametrize("files", [{"asking": ASKING}, {"test": TEST}])
def test_what_is_not_at_hand_may_be_deployed(files: dict[str, str]) -> None:
    """Without the other files nothing is said."""
    assert list(check_across(documents(**files), between_files=True)) == []


def test_a_file_is_checked_once() -> None:
    """What a file says of itself is not said again between files."""
    together = documents(both=f"{textwrap.dedent(INVOICE)}---{textwrap.dedent(TEST)}")
    assert len(list(check_across(together))) == 1
    assert list(check_across(together, between_files=True)) == []
