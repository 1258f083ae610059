"""The manifest of activities: what their annotations say, as JSON."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

import msgspec

from perdure import activity
from perdure.dsl.types import catalog_of
from perdure.engine.activities import Registry


@dataclass
class Line:
    """A line of an order."""

    sku: str
    quantity: int = 1


class Order(msgspec.Struct):
    """An order."""

    id: str
    lines: list[Line]
    note: str | None = None


class Options(TypedDict, total=False):
    """Options of a call."""

    fast: bool


@activity("Charge")
def charge(order: Order, amount: Decimal, currency: Literal["EUR", "USD"] = "EUR", ctx: Any = None) -> Order:
    """Charge a card.

    More about it.
    """
    return order


class Receipt(TypedDict):
    """What comes of a charge."""

    id: str
    note: NotRequired[str]


@activity
def receipts() -> list[Receipt]:
    """Everything that was paid."""
    return []


def plain(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
    return value


@activity
def many(options: Options, due: dt.datetime, lines: dict[str, list[Line]], other: complex) -> None:
    """Nothing."""


@dataclass
class Broken:
    """A class that refers to one that does not exist."""

    other: Nowhere  # type: ignore[name-defined]  # noqa: F821


def broken(value: Broken, other: int) -> Broken:
    """Its class cannot be described."""
    return value


def contract(name: str) -> dict[str, Any]:
    """The manifest's entry of an activity of this module."""
    registry = Registry()
    for each in (charge, receipts, plain, many, broken):
        registry.add(each.__name__.capitalize(), each)
    found: dict[str, Any] = json.loads(json.dumps(registry.manifest()))["activities"][name]
    return found


def test_parameters_are_in_order_without_the_context() -> None:
    """Each parameter has its name and whether it must be given; ``ctx`` is none."""
    given = [(each["name"], each["required"]) for each in contract("Charge")["parameters"]]
    assert given == [("order", True), ("amount", True), ("currency", False)]


def test_a_schema_holds_the_definitions_that_it_needs() -> None:
    """The schema of a class names its fields, those without a default required."""
    schema = contract("Charge")["parameters"][0]["schema"]
    assert schema["$ref"] == "#/$defs/Order"
    assert (sorted(schema["$defs"]), schema["$defs"]["Order"]["required"]) == (
        ["Line", "Order"],
        ["id", "lines"],
    )


def test_a_result_has_all_fields_of_its_class_and_no_others() -> None:
    """What an activity returns as an object of a class is written with every field."""
    order = contract("Charge")["result"]["$defs"]["Order"]
    assert (order["required"], order["additionalProperties"]) == (["id", "lines", "note"], False)


def test_a_typed_dict_has_no_other_fields_either() -> None:
    """Of its own those may be missing that are not required."""
    receipt = contract("Receipts")["result"]["$defs"]["Receipt"]
    assert (receipt["required"], receipt["additionalProperties"]) == (["id"], False)


def test_a_decimal_is_text_or_a_number() -> None:
    """Both convert to a decimal."""
    assert contract("Charge")["parameters"][1]["schema"]["type"] == ["string", "number"]


def test_what_is_not_annotated_may_be_anything() -> None:
    """There is no schema for it, and no documentation."""
    entry = contract("Plain")
    assert entry == {"parameters": [{"name": "value", "schema": {}, "required": True}], "result": {}}


def test_the_documentation_is_its_first_line() -> None:
    """Enough for a list of activities."""
    assert contract("Charge")["doc"] == "Charge a card."


def test_annotations_of_every_kind_have_a_schema() -> None:
    """Classes, times and maps have one; what JSON does not have is anything."""
    kinds = {each["name"]: each["schema"] for each in contract("Many")["parameters"]}
    assert kinds["due"] == {"type": "string"}
    assert kinds["lines"]["additionalProperties"] == {"type": "array", "items": {"$ref": "#/$defs/Line"}}
    assert kinds["options"]["$ref"] == "#/$defs/Options"
    assert kinds["other"] == {}
    assert contract("Many")["result"] == {"type": "null"}


def test_an_annotation_that_cannot_be_evaluated_says_nothing() -> None:
    """The others count all the same."""
    schemas = [each["schema"] for each in contract("Broken")["parameters"]]
    assert (schemas, contract("Broken")["result"]) == ([{}, {"type": "integer"}], {})


def test_the_checker_understands_the_manifest() -> None:
    """The same contract, as types."""
    registry = Registry()
    registry.add("Charge", charge)
    found = catalog_of(registry.manifest()).activities["Charge"]
    assert (list(found.parameters), found.required, found.doc) == (
        ["order", "amount", "currency"],
        frozenset({"order", "amount"}),
        "Charge a card.",
    )
