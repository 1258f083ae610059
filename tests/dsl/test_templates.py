from __future__ import annotations

import pytest

from perdure.dsl.templates import foreign_template

NAMES = {"order": "order", "total": "vars.total"}


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
        ("$.other", "${ input.other }"),
        ("$.steps.order.id", "${ order.id }"),
        ("$order.id", "${ order.id }"),
        ("$total", "${ vars.total }"),
        ("Hello {{ order }}!", "${ order }"),
        ("{{ steps.order.id }}", "${ order.id }"),
        ("https://shop/{input.id}/x", "${ input.id }"),
        ("see $(order.id)", "${ order.id }"),
        ("input.url", "${ input.url }"),
    ],
)
def test_expressions_of_other_engines_are_seen(text: str, instead: str) -> None:
    """A text that holds a name of the workflow in another engine's signs is explained."""
    found = foreign_template(text, NAMES)
    assert found is not None
    assert found.instead == instead


@pytest.mark.parametrize(
    "text",
    [
        "Dear {{ customer }}, hello",
        "$5",
        "$ENV",
        "{ a }",
        "{{",
        "",
        "a {{}} b",
        "{id}",
        "{customer.id}",
        "$(pwd)",
        "input",
        "see input.url",
        "workflow.started",
        "customer.paid",
        "order.id",
        "order.id.",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    """Templates for other programs and prices pass through a workflow without a word."""
    assert foreign_template(text, NAMES) is None
