from __future__ import annotations

import pytest

from perdure.dsl.templates import foreign_template


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("{{ input.name }}", "${ input.name }"),
        ("{{order.id}}", "${ order.id }"),
        ("Hello {{ input.name }}!", "${ input.name }"),
        ("{{ $input.name }}", "${ input.name }"),
        ("$.input.name", "${ input.name }"),
        ("$input", "${ input }"),
        ("$.vars.best['a']", "${ vars.best['a'] }"),
    ],
)
def test_expressions_of_other_engines_are_seen(text: str, instead: str) -> None:
    """A text that holds a name of the workflow in another engine's signs is explained."""
    found = foreign_template(text)
    assert found is not None
    assert found.instead == instead


@pytest.mark.parametrize(
    "text", ["Dear {{ customer }}, hello", "$5", "$.total", "{ a }", "{{", "", "a {{}} b"]
)
def test_other_texts_are_left_alone(text: str) -> None:
    """Templates for other programs and prices pass through a workflow without a word."""
    assert foreign_template(text) is None
