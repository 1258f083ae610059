"""The page of instances that a query asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, literal_column, or_, select, tuple_

from perdure.engine.store import tables as t
from perdure.engine.store.prefixes import has_prefix
from perdure.engine.store.rows import Condition, InstanceQuery

Tagged: TypeAlias = Callable[[str, ColumnElement[bool]], ColumnElement[bool]]
"""That an instance has a tag whose value fits."""

TAG = "tag."
MANY = 2_000
"""So many instances with a tag are worth a look at those that come first, before all of them are sorted."""
NEAR = 5_000
"""How many those are."""
_c = t.instances.c
_tags = t.instance_tags.c


def instances(query: InstanceQuery) -> Select[Any]:
    """The statement. Its values stand in it, since each query has another shape."""
    return _without_tags(query).where(*_of_tags(query, _tagged)).limit(query.limit)


def near(query: InstanceQuery) -> Select[Any]:
    """Those of them that are among the first ``NEAR`` of the instances that its tags aside it asks for.

    If they are as many as it asks for, they are all: the list goes by the same order.
    """
    first = _without_tags(query).limit(NEAR).subquery()

    def tagged(tag: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(_tags.instance == first.c.id, _tags.tag == tag, condition)

    found = select(first).where(*_of_tags(query, tagged))
    return found.order_by(*_order(query, first.c)).limit(query.limit)


def counts_of_tags(query: InstanceQuery) -> list[Select[Any]]:
    """How many instances have each tag that is asked for, to ``MANY`` at most."""

    def tagged(tag: str, condition: ColumnElement[bool]) -> Select[Any]:
        some: Select[Any] = select(literal_column("1")).where(_tags.tag == tag, condition).limit(MANY)
        return select(func.count()).select_from(some.subquery())

    return [tagged(tag, _tags.value == value) for tag, value in query.tags] + [
        tagged(each.field.removeprefix(TAG), _has(_tags.value, each))
        for each in query.where
        if each.field.startswith(TAG) and not each.negated
    ]


def _without_tags(query: InstanceQuery) -> Select[Any]:
    conditions = [_holds(each) for each in query.where if not each.field.startswith(TAG)]
    found = select(t.instances).where(*conditions).order_by(*_order(query, _c))
    order = _c[query.order]
    if order.nullable:
        found = found.where(order.is_not(None))
    if query.statuses:
        found = found.where(_c.status.in_([str(status) for status in query.statuses]))
    if query.name is not None:
        found = found.where(_c.name == query.name)
    if not query.chunks:
        found = found.where(_c.chunk_of.is_(None))
    if query.id_prefix:
        found = found.where(*has_prefix(_c.id, query.id_prefix))
    if query.created_from is not None:
        found = found.where(_c.created_at >= query.created_from)
    if query.created_to is not None:
        found = found.where(_c.created_at <= query.created_to)
    if query.after is not None:
        place, last = tuple_(order, _c.id), tuple_(*query.after)
        found = found.where(place > last if query.ascending else place < last)
    return found


def _order(query: InstanceQuery, columns: Any) -> list[Any]:
    return [each if query.ascending else each.desc() for each in (columns[query.order], columns.id)]


def _of_tags(query: InstanceQuery, tagged: Tagged) -> Iterator[ColumnElement[bool]]:
    for tag, value in query.tags:
        yield tagged(tag, _tags.value == value)
    for each in query.where:
        if each.field.startswith(TAG):
            found = tagged(each.field.removeprefix(TAG), _has(_tags.value, each))
            yield ~found if each.negated else found


def _tagged(tag: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return _c.id.in_(select(_tags.instance).where(_tags.tag == tag, condition))


def _holds(condition: Condition) -> ColumnElement[bool]:
    column = _c[condition.field]
    found = _has(column, condition)
    if not condition.negated:
        return found
    return or_(column.is_(None), ~found) if column.nullable else ~found


def _has(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    if condition.compares is not None:
        return column.bool_op(condition.compares)(condition.time)
    begins = [and_(*has_prefix(column, each)) if each else column.is_not(None) for each in condition.prefixes]
    return or_(false(), column.in_(condition.values), *begins)
