"""Which instances of a store in memory a query asks for."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from perdure.engine.instance import Instance
from perdure.engine.store.listing import TAG
from perdure.engine.store.rows import Condition, InstanceQuery

_COMPARES = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def page(instances: Iterable[Instance], query: InstanceQuery) -> list[Instance]:
    """The page that the query asks for."""

    def place(instance: Instance) -> tuple[Any, str]:
        return getattr(instance, query.order), instance.id

    found = [one for one in instances if place(one)[0] is not None and _matches(one, query)]
    if query.after is not None:
        after = query.after
        found = [one for one in found if (place(one) > after if query.ascending else place(one) < after)]
    return sorted(found, key=place, reverse=not query.ascending)[: query.limit]


def _matches(instance: Instance, query: InstanceQuery) -> bool:
    return (
        (not query.statuses or instance.status in query.statuses)
        and (query.name is None or instance.name == query.name)
        and (query.chunks or instance.chunk_of is None)
        and all(instance.tags.get(tag) == value for tag, value in query.tags)
        and instance.id.startswith(query.id_prefix)
        and (query.created_from is None or instance.created_at >= query.created_from)
        and (query.created_to is None or instance.created_at <= query.created_to)
        and all(_has(instance, each) != each.negated for each in query.where)
    )


def _has(instance: Instance, condition: Condition) -> bool:
    field = condition.field
    tagged = field.startswith(TAG)
    value = instance.tags.get(field.removeprefix(TAG)) if tagged else getattr(instance, field)
    if value is None:
        return False
    if condition.compares is not None:
        return bool(_COMPARES[condition.compares](value, condition.time))
    # A time has no letters: only the empty prefix is asked of it.
    return value in condition.values or any(not each or value.startswith(each) for each in condition.prefixes)
