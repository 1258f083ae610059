"""What is known of the world around a document: activities, other workflows, entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from perdure.dsl import model
from perdure.dsl.cases import Cases
from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import DYN, Type

Document: TypeAlias = model.Workflow | model.Entity | Cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What an activity takes and gives, in the order of its parameters, by its manifest."""

    parameters: Mapping[str, Type]
    schemas: Mapping[str, Any]
    required: frozenset[str]
    result: Type
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Activities by name, and the documents of the same run by name.

    A name that several documents have, of several versions, is left out: which is meant is known later.
    """

    activities: Mapping[str, Contract] = field(default_factory=dict)
    workflows: Mapping[str, model.Workflow] = field(default_factory=dict)
    entities: Mapping[str, model.Entity] = field(default_factory=dict)

    def including(self, documents: Iterable[Document]) -> Catalog:
        """The same with more documents; what is known already stays."""
        workflows, entities = _documents(documents)
        return Catalog(
            activities=self.activities,
            workflows=MappingProxyType({**workflows, **self.workflows}),
            entities=MappingProxyType({**entities, **self.entities}),
        )


EMPTY = Catalog()


def catalog_of(manifest: Mapping[str, Any] | None, documents: Iterable[Document] = ()) -> Catalog:
    """The catalog of a manifest of activities and of documents; what is not understood is left out."""
    found = manifest.get("activities") if manifest is not None else None
    activities = {}
    for name, each in found.items() if isinstance(found, Mapping) else ():
        if isinstance(each, Mapping):
            activities[str(name)] = _contract(each)
    return Catalog(activities=MappingProxyType(activities)).including(documents)


def _contract(entry: Mapping[str, Any]) -> Contract:
    given = [each for each in entry.get("parameters") or () if isinstance(each, Mapping) and "name" in each]
    return Contract(
        parameters=MappingProxyType(
            {str(each["name"]): type_of_schema(each.get("schema")) for each in given}
        ),
        schemas=MappingProxyType({str(each["name"]): each.get("schema") for each in given}),
        required=frozenset(str(each["name"]) for each in given if each.get("required")),
        result=type_of_schema(entry["result"]) if entry.get("result") else DYN,
        doc=str(entry.get("doc") or ""),
    )


def _documents(
    documents: Iterable[Document],
) -> tuple[dict[str, model.Workflow], dict[str, model.Entity]]:
    workflows: dict[str, model.Workflow] = {}
    entities: dict[str, model.Entity] = {}
    several = set()
    for each in documents:
        if isinstance(each, Cases):
            continue
        known: dict[str, Any] = workflows if isinstance(each, model.Workflow) else entities
        before = known.setdefault(each.name, each)
        if before is not each and before != each:
            several.add((type(each), each.name))
    for kind, name in several:
        (workflows if kind is model.Workflow else entities).pop(name, None)
    return workflows, entities
